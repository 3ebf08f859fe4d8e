; Needs nothing but the processor, and all of it, at the priority of video players.

.include "user/ecalls/player.inc"

.text

; main: computes, for ever.
;   in    EAX = argument string
.global main
main:
    xor eax, eax
    mov edx, SCHED_RR
    mov ecx, PRIORITY
    call sched_set
.Lcompute:
    jmp .Lcompute
