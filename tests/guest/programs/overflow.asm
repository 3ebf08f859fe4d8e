; May a program use INTO?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov al, 0x7F
    inc al
    into
    SAY "went on\n"
