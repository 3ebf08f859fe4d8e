; Is what others do without effect on a program that does nothing wrong?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov ebx, 3
    mov eax, SYS_SLEEP
    int VECTOR_SYSCALL
    SAY "witness: still here\n"
    EXIT 0
