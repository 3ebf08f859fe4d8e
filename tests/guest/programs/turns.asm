; Does YIELD let the other run, and only then go on?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, SYS_SELF
    int VECTOR_SYSCALL
    add [text], al              ; 0 becomes 1 or 2
    mov edi, 3
again:
    mov ebx, text
    mov esi, 2
    mov eax, SYS_WRITE
    int VECTOR_SYSCALL
    mov eax, SYS_YIELD
    int VECTOR_SYSCALL
    dec edi
    jnz again
    EXIT 0

.data
text:
    .ascii "0\n"
