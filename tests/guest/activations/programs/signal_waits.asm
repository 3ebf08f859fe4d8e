; Does a signal interrupt whatever a thread waits for, and does the call say so?

.include "test.inc"

.text

; _start: the program: the second thread interrupts the first.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGUSR1, handler, trampoline
    THREAD second, second_stack
    CALL_KERNEL SYS_SLEEP, 1000
    EXPECT ERR_INTERRUPTED, "a sleep\n"
    CALL_KERNEL SYS_READ, CONSOLE_INPUT, buffer, 1
    EXPECT ERR_INTERRUPTED, "a read of the console\n"
    CALL_KERNEL SYS_PIPE
    CALL_KERNEL SYS_READ, 1, buffer, 1
    EXPECT ERR_INTERRUPTED, "a read of a pipe\n"
    CALL_KERNEL SYS_WRITE_PIPE, 1, buffer, PIPE_BYTES
    CALL_KERNEL SYS_WRITE_PIPE, 1, buffer, 1
    EXPECT ERR_INTERRUPTED, "a write\n"
    CALL_KERNEL SYS_THREAD_JOIN, 2
    EXPECT ERR_INTERRUPTED, "a join\n"
    CALL_KERNEL SYS_THREAD_JOIN, 2
    EXPECT 0, "and nothing else\n"
    mov eax, [handled]
    EXPECT 5, "five times\n"
    EXIT 0

second:
    mov ebp, 5
again:
    CALL_KERNEL SYS_SLEEP, 20   ; until it waits, and has said so
    CALL_KERNEL SYS_SIGNAL_SEND, 1, SIGUSR1
    dec ebp
    jnz again
    CALL_KERNEL SYS_SLEEP, 20
    CALL_KERNEL SYS_THREAD_EXIT, 0

handler:
    inc dword ptr [handled]
    ret
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.bss
handled:
    .space 4
buffer:
    .space PIPE_BYTES

    STACK second_stack
