; Does a program go on, whatever the others do?

.include "test.inc"

.text

; main: works for a while and says so.
.global main
main:
    BURN 800000
    SAY "witness: still here\n"
    xor eax, eax
    ret
