; Raises events for the first process, more at a tick than the ring has room for, before anybody else runs.

.include "ecalls.inc"

NAME probe, "probe"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SCHED_SET, 0, SCHED_FIFO, 1
    CALL_KERNEL SYS_SLEEP, 2    ; it has registered then
next:
    mov dword ptr [left], BURST
burst:
    inc dword ptr [value]
    CALL_KERNEL SYS_ECALL, probe, 1, [value]
    dec dword ptr [left]
    jnz burst
    CALL_KERNEL SYS_SLEEP, 1
    cmp dword ptr [value], TOLD
    jb next
    EXIT 0

.bss
.align 4
value:
    .space 4
left:
    .space 4
