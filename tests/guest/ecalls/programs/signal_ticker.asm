; Sends a real-time signal to the first program at each of two ticks. It is the more urgent one.

.include "signals.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SCHED_SET, 0, SCHED_FIFO, 1
    CALL_KERNEL SYS_SLEEP, 3
    CALL_KERNEL SYS_SIGQUEUE, 1, SIGRTMIN
    CALL_KERNEL SYS_SLEEP, 1
    CALL_KERNEL SYS_SIGQUEUE, 1, SIGRTMIN
    EXIT 0
