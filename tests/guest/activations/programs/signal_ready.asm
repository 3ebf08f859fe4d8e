; Does a signal to the process go to a thread that can run, rather than to one that waits?

.include "test.inc"

.text

; _start: the program. The handler says which thread runs it; the first one's writes again, and so masks what it causes.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGIO, handler, trampoline
    CALL_KERNEL SYS_PIPE
    CALL_KERNEL SYS_SIGNAL_INPUT, 1, 1
    THREAD sleeper, sleeper_stack
    mov [sleeper_number], eax
    CALL_KERNEL SYS_YIELD       ; it sleeps
    THREAD ready, ready_stack   ; it does not
    CALL_KERNEL SYS_WRITE_PIPE, 1, text, 1
    SAY "the one that can run\n"
    CALL_KERNEL SYS_THREAD_JOIN, [sleeper_number]
    mov eax, ebx
    EXPECT 0, "the sleeper slept\n"
    EXIT 0

sleeper:
    CALL_KERNEL SYS_SLEEP, 5
    CALL_KERNEL SYS_THREAD_EXIT, eax
ready:
    CALL_KERNEL SYS_THREAD_EXIT, 0

handler:
    CALL_KERNEL SYS_SELF
    mov edx, eax
    add al, '0'
    mov [text], al
    CALL_KERNEL SYS_WRITE, text, 2
    cmp edx, 1
    jne handled
    CALL_KERNEL SYS_WRITE_PIPE, 1, text, 1
    CALL_KERNEL SYS_YIELD
handled:
    ret
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.data
text:
    .ascii "?\n"

.bss
sleeper_number:
    .space 4
    STACK sleeper_stack
    STACK ready_stack
