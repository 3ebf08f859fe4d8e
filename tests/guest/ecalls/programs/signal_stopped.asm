; Works every three ticks, and tells when it is interrupted: signal_stopper.asm is the other program.

.include "signals.inc"

ACTION goes_on, handler

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGPROCMASK, SIGNALS_FIRST, 0
    CALL_KERNEL SYS_SIGACTION, SIGCONT, goes_on
works:
    CALL_KERNEL SYS_SLEEP, 3
    test eax, eax
    jnz interrupted
    SAY "works\n"
    jmp works
interrupted:
    EXPECT ERR_INTERRUPTED, "interrupted\n"
    jmp works

handler:
    SAY "continued\n"
    ret
TRAMPOLINE
