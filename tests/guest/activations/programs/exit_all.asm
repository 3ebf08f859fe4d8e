; Does SYS_EXIT end the other threads, whatever they wait for?

.include "test.inc"

.text

; _start: the program: threads that wait for all there is to wait for, run, and have ended.
.global _start
_start:
    CALL_KERNEL SYS_PIPE
    mov [pipe], eax
    CALL_KERNEL SYS_PIPE
    mov [full], eax
    CALL_KERNEL SYS_WRITE_PIPE, [full], buffer, PIPE_BYTES
    EXPECT PIPE_BYTES, "one pipe is full\n"
    THREAD sleeps, stack_1
    THREAD reads, stack_2, CONSOLE_INPUT
    THREAD reads, stack_3, [pipe]
    mov [reader], eax
    THREAD writes, stack_4
    THREAD joins, stack_5
    THREAD runs, stack_6
    THREAD ends, stack_7
    CALL_KERNEL SYS_SLEEP, 5
    THREAD runs, stack_8        ; this one never does
    EXIT 3

sleeps:
    CALL_KERNEL SYS_SLEEP, 0x7FFFFFFF
    SAY "went on\n"
reads:
    CALL_KERNEL SYS_READ, eax, buffer, PIPE_BYTES
    SAY "went on\n"
writes:
    CALL_KERNEL SYS_WRITE_PIPE, [full], buffer, 1
    SAY "went on\n"
joins:
    CALL_KERNEL SYS_THREAD_JOIN, [reader]
    SAY "went on\n"
runs:
    jmp runs
ends:
    CALL_KERNEL SYS_THREAD_EXIT, 0

.bss
pipe:
    .space 4
full:
    .space 4
reader:
    .space 4
buffer:
    .space PIPE_BYTES

    STACK stack_1
    STACK stack_2
    STACK stack_3
    STACK stack_4
    STACK stack_5
    STACK stack_6
    STACK stack_7
    STACK stack_8
