; Scheduling policy: none. The kernel schedules (`l4`), so whoever is owed an answer gets it at once.
;
; Owns the queue of those answers: one message may bring several. All are sent but the last, for which sched_next is
; asked: it goes out together with the wait for the next message.

.include "lib/micro/user.inc"

.text

; sched_new: a thread begins.
;   in    EAX = client
.global sched_new
sched_new:

; sched_ready: a thread has its answer.
;   in    EAX = client
.global sched_ready
sched_ready:

; sched_yield: a thread lets the others run first. The kernel does not tell.
;   in    EAX = client
.global sched_yield
sched_yield:

; sched_preempted: a thread has used up its quantum. It gets no new one, but goes on.
;   in    EAX = client, EDX is of no interest
.global sched_preempted
sched_preempted:
    mov edx, owed
    jmp queue_last

; sched_next: who gets its answer with the wait for the next message?
;   out   EAX = client, or 0: nobody
.global sched_next
sched_next:
    mov edx, owed
    call queue_take
    cmp dword ptr [owed], 0
    je .Lreturn
    call client_send
    jmp sched_next
.Lreturn:
    ret

.bss

.align 4
owed:                           ; those whose answer has not been sent
    .space 4
