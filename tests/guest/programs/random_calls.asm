; Does any sequence of system calls leave the kernel standing?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov edi, 20000              ; calls to make
next:
    imul ebp, ebp, 1664525      ; a linear congruential generator
    add ebp, 1013904223
    mov ebx, ebp
    rol ebx, 7
    mov esi, ebp
    rol esi, 13
    mov eax, ebp
    shr eax, 29                 ; 0 to 7, two of them unknown
    cmp eax, SYS_EXIT
    je next
    cmp eax, SYS_SLEEP
    je next
    test ebp, 0x10000
    jz by_int
    CALL_SYSENTER
    jmp called
by_int:
    int VECTOR_SYSCALL
called:
    dec edi
    jnz next
    SAY "survived\n"
    EXIT 0
