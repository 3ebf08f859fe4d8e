; Does a new thread begin without what the last one had pending or masked? It lives where that one did.

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGUSR1, handler, trampoline
    THREAD last, some_stack
    mov ebp, eax
    CALL_KERNEL SYS_THREAD_JOIN, ebp
    EXPECT 0, "one has ended in its handler, with the signal pending again\n"
    THREAD new, some_stack
    mov ebp, eax
    CALL_KERNEL SYS_YIELD
    SAY "the next one has begun\n"
    CALL_KERNEL SYS_SIGNAL_SEND, ebp, SIGUSR1
    CALL_KERNEL SYS_THREAD_JOIN, ebp
    mov eax, [handled]
    EXPECT 2, "and handled its own\n"
    EXIT 0

last:
    CALL_KERNEL SYS_SELF
    CALL_KERNEL SYS_SIGNAL_SEND, eax, SIGUSR1
new:
    CALL_KERNEL SYS_SLEEP, 1000
    EXPECT ERR_INTERRUPTED, "interrupted\n"
    CALL_KERNEL SYS_THREAD_EXIT, 0

handler:
    inc dword ptr [handled]
    cmp dword ptr [handled], 1
    jne second
    CALL_KERNEL SYS_SELF
    CALL_KERNEL SYS_SIGNAL_SEND, eax, SIGUSR1
    CALL_KERNEL SYS_THREAD_EXIT, 0
second:
    ret
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.bss
handled:
    .space 4
    STACK some_stack
