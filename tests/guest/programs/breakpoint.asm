; Does INT3 reach the kernel, and with the address behind it?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    int3
    SAY "went on\n"
