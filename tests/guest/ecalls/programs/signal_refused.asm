; What is refused, and what is not.

.include "signals.inc"

ACTION handled, handler

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGACTION, 0, handled
    EXPECT ERR_ARGUMENT, "no handler for 0\n"
    CALL_KERNEL SYS_SIGACTION, SIGRTMAX + 1, handled
    EXPECT ERR_ARGUMENT, "nor for 64\n"
    CALL_KERNEL SYS_SIGACTION, -1, handled
    EXPECT ERR_ARGUMENT, "nor for that\n"
    CALL_KERNEL SYS_SIGACTION, SIGKILL, handled
    EXPECT ERR_ARGUMENT, "nor for SIGKILL\n"
    CALL_KERNEL SYS_SIGACTION, SIGSTOP, 0
    EXPECT ERR_ARGUMENT, "nor for SIGSTOP, even none\n"
    CALL_KERNEL SYS_SIGACTION, 1, KERNEL_BASE - SIGACTION_SIZE + 4
    EXPECT ERR_ADDRESS, "not from there\n"
    CALL_KERNEL SYS_SIGACTION, 1, handled
    EXPECT 0, "from here\n"
    CALL_KERNEL SYS_SIGQUEUE, 0, SIGRTMAX + 1
    EXPECT ERR_ARGUMENT, "64 is no signal\n"
    CALL_KERNEL SYS_SIGQUEUE, 0, -1
    EXPECT ERR_ARGUMENT, "nor is that\n"
    CALL_KERNEL SYS_SIGQUEUE, 2, 1
    EXPECT ERR_PROCESS, "nor is there a second process\n"
    CALL_KERNEL SYS_SIGQUEUE, 1, 0
    EXPECT 0, "but this one\n"
    CALL_KERNEL SYS_SIGWAITINFO, -1, -1, KERNEL_BASE
    EXPECT ERR_ADDRESS, "no value there\n"
    CALL_KERNEL SYS_SIGWAITINFO, -1, -1, read_only
    EXPECT ERR_ADDRESS, "nor here\n"
    CALL_KERNEL SYS_SIGQUEUE, 1, 1
    EXPECT 0, "and back\n"
    EXIT 0

handler:
    SAY "handled\n"
    ret
TRAMPOLINE

.rodata
read_only:
    .long 0
