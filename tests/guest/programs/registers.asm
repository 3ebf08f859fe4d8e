; Does INT 80h keep the registers that it promises to keep?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov ebx, 0x11111111
    mov esi, 0x22222222
    mov edi, 0x33333333
    mov ebp, 0x44444444
    mov eax, SYS_YIELD
    int VECTOR_SYSCALL
    add eax, ebx                ; EAX was 0
    add eax, esi
    add eax, edi
    add eax, ebp
    EXPECT 0xAAAAAAAA, "registers kept\n"
    EXIT 0
