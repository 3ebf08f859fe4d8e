; Is the kernel's code out of a program's reach?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, KERNEL_IMAGE
    jmp eax
