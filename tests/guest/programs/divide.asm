; Does a division by zero end the program?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    xor ecx, ecx
    div ecx
    SAY "went on\n"
