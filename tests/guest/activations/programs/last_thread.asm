; Does a process go on while it has a thread, and end with the last?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    THREAD second, second_stack
    CALL_KERNEL SYS_THREAD_EXIT, 5
second:
    CALL_KERNEL SYS_SLEEP, 3
    CALL_KERNEL SYS_THREAD_JOIN, 1
    mov ebp, ebx
    EXPECT 0, "joined the first\n"
    mov eax, ebp
    EXPECT 5, "its value\n"
    CALL_KERNEL SYS_THREAD_EXIT, 7

    STACK second_stack
