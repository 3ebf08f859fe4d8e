; Does TIME go on with the ticks?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, SYS_TIME
    int VECTOR_SYSCALL
    mov edi, eax
    mov ebx, 3
    mov eax, SYS_SLEEP
    int VECTOR_SYSCALL
    mov eax, SYS_TIME
    int VECTOR_SYSCALL
    sub eax, edi
    cmp eax, 999847 * 3         ; 1193 periods of the crystal a tick
    je three
    SAY "wrong: "
three:
    SAY "three ticks\n"
    EXIT 0
