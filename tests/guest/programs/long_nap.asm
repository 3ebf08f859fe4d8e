; Does the longest sleep last, though its tick is beyond 2^31?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov ebx, 2                  ; so that the sum with the ticks that have passed does not fit into 31 bits
    mov eax, SYS_SLEEP
    int VECTOR_SYSCALL
    mov ebx, 0x7FFFFFFF
    mov eax, SYS_SLEEP
    int VECTOR_SYSCALL
    SAY "went on\n"
    EXIT 0
