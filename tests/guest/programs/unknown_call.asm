; Is a number that no system call has answered with an error?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, SYSCALL_COUNT
    int VECTOR_SYSCALL
    EXPECT ERR_CALL, "next number\n"
    mov eax, 0x40000000
    int VECTOR_SYSCALL
    EXPECT ERR_CALL, "a number whose fourfold is 0\n"
    mov eax, -1
    int VECTOR_SYSCALL
    EXPECT ERR_CALL, "-1\n"
    EXIT 0
