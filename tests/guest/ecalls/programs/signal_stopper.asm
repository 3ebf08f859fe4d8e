; Stops the first program and lets it go on, and ends it.

.include "signals.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SLEEP, 4
    CALL_KERNEL SYS_SIGQUEUE, 1, SIGSTOP
    SAY "stopped\n"
    CALL_KERNEL SYS_SLEEP, 10
    CALL_KERNEL SYS_SIGQUEUE, 1, SIGTSTP
    SAY "still stopped\n"
    CALL_KERNEL SYS_SLEEP, 10
    CALL_KERNEL SYS_SIGQUEUE, 1, SIGURG
    SAY "dropped\n"
    CALL_KERNEL SYS_SLEEP, 10
    SAY "goes on\n"
    CALL_KERNEL SYS_SIGQUEUE, 1, SIGCONT
    CALL_KERNEL SYS_SLEEP, 4
    CALL_KERNEL SYS_SIGQUEUE, 1, SIGCONT
    CALL_KERNEL SYS_SLEEP, 2
    CALL_KERNEL SYS_SIGQUEUE, 1, SIGTSTP
    CALL_KERNEL SYS_SLEEP, 2
    SAY "ends\n"
    CALL_KERNEL SYS_SIGQUEUE, 1, SIGKILL
    CALL_KERNEL SYS_SLEEP, 2
    CALL_KERNEL SYS_SIGQUEUE, 1, 0
    EXPECT ERR_PROCESS, "has ended\n"
    EXIT 0
