; Do processes and threads have the numbers that the ABI says?

.include "test.inc"

.text

; _start: the program. It is the only one.
.global _start
_start:
    CALL_KERNEL SYS_PROCESS
    EXPECT 1, "process 1\n"
    CALL_KERNEL SYS_SELF
    EXPECT 1, "thread 1\n"
    THREAD second, second_stack
    EXPECT 2, "made thread 2\n"
    CALL_KERNEL SYS_THREAD_JOIN, 2
    mov eax, ebx
    EXPECT 2, "which is thread 2\n"
    THREAD second, second_stack
    EXPECT NUMBER_NEXT + 2, "the next one has the next generation\n"
    EXIT 0

second:
    CALL_KERNEL SYS_SELF
    CALL_KERNEL SYS_THREAD_EXIT, eax

    STACK second_stack
