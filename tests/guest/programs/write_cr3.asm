; Are control registers privileged?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    xor eax, eax
    mov cr3, eax
    SAY "went on\n"
