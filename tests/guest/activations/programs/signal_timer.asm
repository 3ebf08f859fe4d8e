; Does SIGALRM come every so many ticks, to a program that computes and to one that sleeps, and no more afterwards?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGALRM, handler, trampoline
    CALL_KERNEL SYS_SIGNAL_TIMER, 2
computes:
    cmp dword ptr [handled], 5
    jb computes
    SAY "five while it computes\n"
sleeps:
    CALL_KERNEL SYS_SLEEP, 1000
    cmp eax, ERR_INTERRUPTED
    jne wrong
    cmp dword ptr [handled], 10
    jb sleeps
    CALL_KERNEL SYS_SIGNAL_TIMER, 0
    EXPECT 0, "five while it sleeps\n"
    mov ebp, [handled]
    CALL_KERNEL SYS_SLEEP, 10
    EXPECT 0, "and then it sleeps\n"
    sub ebp, [handled]
    mov eax, ebp
    EXPECT 0, "undisturbed\n"
    EXIT 0
wrong:
    EXIT 1

handler:
    inc dword ptr [handled]
    ret
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.bss
handled:
    .space 4
