; Is the kernel out of a program's sight?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, [KERNEL_IMAGE]
    SAY "went on\n"
