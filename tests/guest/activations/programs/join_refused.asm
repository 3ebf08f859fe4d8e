; Is a join refused that would never end, or end wrongly?

.include "test.inc"

.text

; _start: the program. A second process makes thread 2.
.global _start
_start:
    CALL_KERNEL SYS_THREAD_JOIN, 0
    EXPECT ERR_THREAD, "0\n"
    CALL_KERNEL SYS_THREAD_JOIN, -1
    EXPECT ERR_THREAD, "-1\n"
    CALL_KERNEL SYS_THREAD_JOIN, NUMBER_INDEX
    EXPECT ERR_THREAD, "an index that nobody has had\n"
    CALL_KERNEL SYS_THREAD_JOIN, 2
    EXPECT ERR_THREAD, "another process's thread\n"
    CALL_KERNEL SYS_SELF
    CALL_KERNEL SYS_THREAD_JOIN, eax
    EXPECT ERR_THREAD, "itself\n"
    THREAD ends, ends_stack
    mov ebp, eax
    CALL_KERNEL SYS_THREAD_JOIN, ebp
    EXPECT 0, "once\n"
    CALL_KERNEL SYS_THREAD_JOIN, ebp
    EXPECT ERR_THREAD, "and not again\n"
    THREAD ends, ends_stack
    CALL_KERNEL SYS_THREAD_JOIN, ebp
    EXPECT ERR_THREAD, "nor the next thread by that number\n"
    THREAD sleeps, sleeps_stack
    mov [sleeper], eax
    THREAD joins, joins_stack
    CALL_KERNEL SYS_YIELD
    CALL_KERNEL SYS_THREAD_JOIN, [sleeper]
    EXPECT ERR_THREAD, "one that another thread joins already\n"
    EXIT 0

ends:
    CALL_KERNEL SYS_THREAD_EXIT, 0
sleeps:
    CALL_KERNEL SYS_SLEEP, 100
joins:
    CALL_KERNEL SYS_THREAD_JOIN, [sleeper]

.bss
sleeper:
    .space 4
    STACK ends_stack
    STACK sleeps_stack
    STACK joins_stack
