; Do signals work for programs that use SYSENTER, in all calls?

.include "signals.inc"

ACTION handled, handler

.text

; _start: the program.
.global _start
_start:
    mov ebx, SIGRTMIN
    mov esi, handled
    mov eax, SYS_SIGACTION
    CALL_SYSENTER
    mov ebp, 0x12345678
    mov edi, 0x9ABCDEF0         ; the value, too
    push esp
    xor ebx, ebx
    mov esi, SIGRTMIN
    mov eax, SYS_SIGQUEUE
    CALL_SYSENTER
    EXPECT 0, "the result\n"
    mov eax, ebp
    EXPECT 0x12345678, "a register\n"
    mov eax, edi
    EXPECT 0x9ABCDEF0, "another\n"
    pop eax
    sub eax, esp
    EXPECT 0, "the stack\n"
    EXIT 0

handler:
    mov eax, [esp + SIGINFO_VALUE]
    EXPECT 0x9ABCDEF0, "handled\n"
    xor ebp, ebp
    xor edi, edi
    ret
trampoline:
    mov eax, SYS_SIGRETURN
    CALL_SYSENTER
