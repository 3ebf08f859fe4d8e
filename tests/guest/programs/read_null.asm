; Does a null pointer fault?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    xor eax, eax
    mov eax, [eax]
    SAY "went on\n"
