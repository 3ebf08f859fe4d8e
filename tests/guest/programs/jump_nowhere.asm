; Is an address outside the program reported as a number?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, 0x12345678
    jmp eax
