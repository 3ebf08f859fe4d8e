; Scheduling policy: the highest priority runs, round robin among equals, a tick each.
;
; Owns the queues of threads that could run. A client's priority is the root task's to set (programs.asm, requests.asm);
; it counts from the next time that the client stands in a queue.

.include "lib/micro/user.inc"

; READY register, client: the queue of the client's priority.
.macro READY register, client
    mov \register, [\client + CLIENT_PRIORITY]
    bts dword ptr [occupied], \register
    lea \register, [ready + \register * 4]
.endm

.text

; sched_new: a thread begins: it is the last of its priority.
;   in    EAX = client
.global sched_new
sched_new:
    READY edx, eax
    jmp queue_last

; sched_ready: a thread has its answer: it is the first of its priority.
;   in    EAX = client
.global sched_ready
sched_ready:
    READY edx, eax
    jmp queue_first

; sched_yield: a thread lets its equals run first.
;   in    EAX = client
.global sched_yield
sched_yield:
    READY edx, eax
    jmp queue_last

; sched_preempted: a thread has lost the processor against its will. If that was a tick, its equals come first.
;   in    EAX = client, EDX = ticks that have come since it got the processor
.global sched_preempted
sched_preempted:
    mov ecx, edx
    READY edx, eax
    jecxz .Lfirst
    jmp queue_last
.Lfirst:
    jmp queue_first

; sched_next: who gets the processor now?
;   out   EAX = client, or 0: nobody can run
;
; A queue may have become empty behind our back, by a thread that ended: its bit goes when that is seen.
.global sched_next
sched_next:
    bsr eax, [occupied]
    jz .Lnobody
    lea edx, [ready + eax * 4]
    cmp dword ptr [edx], 0
    jne queue_take
    btr dword ptr [occupied], eax
    jmp sched_next
.Lnobody:
    xor eax, eax
    ret

.bss

.align 4
occupied:                       ; bit n: the queue of priority n may hold somebody
    .space 4
ready:                          ; the queues, by priority
    .space 4 * (PRIORITY_MAX + 1)
