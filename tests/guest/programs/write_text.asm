; Is a program's code read-only?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov byte ptr [_start], 0x90
    SAY "went on\n"
