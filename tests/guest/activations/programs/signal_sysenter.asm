; Do signals work for programs that use SYSENTER, in all calls?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov ebx, SIGUSR1
    mov esi, handler
    mov edi, trampoline
    mov eax, SYS_SIGNAL_ACTION
    CALL_SYSENTER
    mov ebp, 0x12345678
    mov edi, 0x9ABCDEF0
    push esp
    mov ebx, 1
    mov esi, SIGUSR1
    mov eax, SYS_SIGNAL_SEND
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
    SAY "handled\n"
    xor ebp, ebp
    xor edi, edi
    ret
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    CALL_SYSENTER
