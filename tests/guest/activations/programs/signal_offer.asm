; Does a signal to the process find a thread that takes it: one that can run, else one that waits, and never one that
; masks it?

.include "test.inc"

.text

; _start: the program. Handlers say which thread runs them.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGIO, handler, trampoline
    CALL_KERNEL SYS_PIPE
    CALL_KERNEL SYS_SIGNAL_INPUT, 1, 1
    THREAD sleeper, sleeper_stack
    CALL_KERNEL SYS_YIELD
    SAY "the one that writes\n"
    CALL_KERNEL SYS_WRITE_PIPE, 1, text, 1
    SAY "the one that sleeps, while the one that writes is in its handler\n"
    mov dword ptr [nested], 1
    CALL_KERNEL SYS_WRITE_PIPE, 1, text, 1
    SAY "none yet, while both are in theirs; then a new thread, when the first ends\n"
    mov dword ptr [nested], 2
    CALL_KERNEL SYS_WRITE_PIPE, 1, text, 1
    EXIT 1

sleeper:
    CALL_KERNEL SYS_SLEEP, 0x7FFFFFFF
    jmp sleeper
third:
    CALL_KERNEL SYS_SLEEP, 50
    EXPECT ERR_INTERRUPTED, "the last one\n"
    EXIT 0

handler:
    CALL_KERNEL SYS_SELF
    mov edx, eax
    add al, '0'
    mov [text], al
    CALL_KERNEL SYS_WRITE, text, 2
    cmp edx, 1
    je first
    cmp edx, 2
    jne handled
    cmp dword ptr [nested], 2   ; the sleeper stays in its handler, the second time
    je sleeper
    ret
first:
    cmp dword ptr [nested], 0
    je handled
    CALL_KERNEL SYS_WRITE_PIPE, 1, text, 1
    CALL_KERNEL SYS_SLEEP, 5
    cmp dword ptr [nested], 1
    je handled
    CALL_KERNEL SYS_WRITE_PIPE, 1, text, 1
    THREAD third, third_stack
    CALL_KERNEL SYS_SLEEP, 5
    CALL_KERNEL SYS_THREAD_EXIT, 0
handled:
    ret
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.data
text:
    .ascii "?\n"

.bss
nested:
    .space 4
    STACK sleeper_stack
    STACK third_stack
