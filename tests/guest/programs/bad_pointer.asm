; Is every pointer to WRITE checked?

.include "test.inc"

.macro WRITE buffer, length
    mov ebx, \buffer
    mov esi, \length
    mov eax, SYS_WRITE
    int VECTOR_SYSCALL
.endm

.text

; _start: the program.
.global _start
_start:
    WRITE KERNEL_IMAGE, 16
    EXPECT ERR_ADDRESS, "kernel\n"
    WRITE KERNEL_BASE - 8, 16
    EXPECT ERR_ADDRESS, "into the kernel\n"
    WRITE 0, 1
    EXPECT ERR_ADDRESS, "null\n"
    WRITE 0xFFFFFFF0, 0x20
    EXPECT ERR_ADDRESS, "around the end\n"
    WRITE USER_STACK_BASE - 1, 2
    EXPECT ERR_ADDRESS, "first byte unmapped\n"
    WRITE USER_STACK_TOP - 1, 2
    EXPECT ERR_ADDRESS, "last byte unmapped\n"
    WRITE KERNEL_BASE, 0
    EXPECT 0, "nothing at all\n"
    EXIT 0
