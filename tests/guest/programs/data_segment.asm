; Are the kernel's segments not for programs?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, SEL_KDATA
    mov ds, eax
    SAY "went on\n"
