; The way back to a program: what is to be done before it goes on.
;
; Owns the order of these things, which is the paper's (figure 2): bottom halves, the scheduler, signals; and bottom
; halves themselves: what interrupts had to leave for later, because a handler of events ran.

.include "ecalls.inc"

.text

; work: does all of it.
;   in    the running thread was on its way to ring 3; its frame is complete
;   out   its frame says where it goes on: a signal's handler, or where it came from; or does not return
.global work
work:
    call bottom_half
    cmp dword ptr [sched_due], 0
    je .Lsignals
    call sched_look
.Lsignals:
    mov ecx, [bottom_halves]    ; meanwhile others may have run
    or ecx, [sched_due]
    jnz .Lagain                 ; forwards, as it is rare: so processors guess
    CURRENT edx
    test dword ptr [edx + PCB_DUE], DUE_SIGNAL
    jnz signal_work             ; last, so that the program sees this first
    ret
.Lagain:
    jmp work

; bottom_half: runs the bottom halves that are pending. No handler runs.
.global bottom_half
bottom_half:
    btr dword ptr [bottom_halves], BOTTOM_LINE
    jnc .Levents
    call line_again
.Levents:
    btr dword ptr [bottom_halves], BOTTOM_EVENTS
    jnc .Lreturn
    call event_again
    jmp bottom_half             ; these may have left something again
.Lreturn:
    ret

.bss

.global bottom_halves

.align 4
bottom_halves:                  ; bit n: bottom half n is pending
    .space 4
