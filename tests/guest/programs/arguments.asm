; Does a program find its name and arguments?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    xor esi, esi
length:
    inc esi
    cmp byte ptr [ebx + esi], 0
    jne length
    mov eax, SYS_WRITE
    int VECTOR_SYSCALL
    SAY "\n"
    EXIT 0
