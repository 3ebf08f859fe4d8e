; Does a call that takes long keep the ticks from the clock, and does the program lose the processor when it is done?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_MEMORY, 3000
    SAY "memory\n"
    EXIT 0
