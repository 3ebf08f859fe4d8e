; Is a signal ever lost between the look and the rest? Waits for the two of signal_ticker.asm, as programs do: with the
; signal blocked but while it waits.

.include "signals.inc"

ACTION counted, handler

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGACTION, SIGRTMIN, counted
    CALL_KERNEL SYS_SLEEP, 2
window:
    CALL_KERNEL SYS_SIGPROCMASK, 0, 1
look:
    cmp dword ptr [count], 2
    jae rested
    CALL_KERNEL SYS_SIGSUSPEND, 0, 0
    jmp look
rested:
    CALL_KERNEL SYS_SIGPROCMASK, 0, 0
    EXIT 0

handler:
    inc dword ptr [count]
    ret
TRAMPOLINE

.bss
.align 4
count:
    .space 4
