; Does SELF number the threads in the order of their start?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, SYS_SELF
    int VECTOR_SYSCALL
    EXPECT 1, "I am the first\n"
    EXIT 0
