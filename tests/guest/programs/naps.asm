; Do sleepers wake in the order of their ticks?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, SYS_SELF
    int VECTOR_SYSCALL
    add [text], al              ; 0 becomes 1, 2 or 3
    mov ebx, 4
    sub ebx, eax                ; the last to start sleeps shortest
    add ebx, ebx
    mov eax, SYS_SLEEP
    int VECTOR_SYSCALL
    mov ebx, text
    mov esi, 2
    mov eax, SYS_WRITE
    int VECTOR_SYSCALL
    EXIT 0

.data
text:
    .ascii "0\n"
