; Ends by signal ENDED_BY, of which it has never said anything.

.include "signals.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGQUEUE, 0, SIGCHLD
    EXPECT 0, "not by that\n"
    CALL_KERNEL SYS_SIGQUEUE, 0, ENDED_BY
    SAY "went on\n"
    EXIT 0
