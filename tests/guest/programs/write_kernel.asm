; Is the kernel out of a program's reach?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov dword ptr [KERNEL_IMAGE], 0
    SAY "went on\n"
