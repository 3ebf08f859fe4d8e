; Sends SIGUSR1 to the first program every four ticks as long as that is there.

.include "signals.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SLEEP, 4
    CALL_KERNEL SYS_SIGQUEUE, 1, SIGUSR1
    cmp eax, ERR_PROCESS
    je gone
    jmp _start
gone:
    EXIT 0
