; Does a fault of one thread end all of its process?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    THREAD second, second_stack
    THREAD sleeper, sleeper_stack
forever:
    jmp forever
second:
    CALL_KERNEL SYS_SLEEP, 2
faults:
    ud2
sleeper:
    CALL_KERNEL SYS_SLEEP, 5
    SAY "went on\n"

    STACK second_stack
    STACK sleeper_stack
