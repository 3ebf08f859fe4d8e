; What becomes of a wish for SIGIO when the process ends?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGIO, _start, _start
    CALL_KERNEL SYS_SIGNAL_INPUT, CONSOLE_INPUT, 1
    CALL_KERNEL SYS_SIGNAL_TIMER, 1
    EXPECT 0, "asked\n"
    EXIT 0
