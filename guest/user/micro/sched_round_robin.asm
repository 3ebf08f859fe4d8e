; Scheduling policy: round robin, a tick each.
;
; Owns the queue of threads that could run. The root scheduler calls, and asks sched_next when everything that has
; happened is told. A policy is these five routines; sched_fixed_priority.asm has another, sched_kernel.asm is for `l4`.

.include "lib/micro/user.inc"

.text

; sched_new: a thread begins: it is the last.
;   in    EAX = client
.global sched_new
sched_new:
    mov edx, ready
    jmp queue_last

; sched_ready: a thread has its answer: it had the processor, or was waited for, so it is the first.
;   in    EAX = client
.global sched_ready
sched_ready:
    mov edx, ready
    jmp queue_first

; sched_yield: a thread lets the others run first.
;   in    EAX = client
.global sched_yield
sched_yield:
    mov edx, ready
    jmp queue_last

; sched_preempted: a thread has lost the processor against its will. If that was a tick, its turn is over.
;   in    EAX = client, EDX = ticks that have come since it got the processor
.global sched_preempted
sched_preempted:
    test edx, edx
    mov edx, ready
    jnz queue_last
    jmp queue_first

; sched_next: who gets the processor now?
;   out   EAX = client, or 0: nobody can run
.global sched_next
sched_next:
    mov edx, ready
    jmp queue_take

.bss

.align 4
ready:                          ; the queue
    .space 4
