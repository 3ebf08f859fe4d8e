; A policy: fixed priorities. The ready thread of the highest priority runs, at once; equals take turns, and a preempted
; thread is the first of its equals.
;
; Owns a queue for each priority, and a set of those that are not empty.

.include "lib/threads/threads.inc"

.assert USER_PRIORITIES <= 32, "ready_set has 32 bits"

.text

; find_next_to_run: takes the thread that runs next out of those that are ready. Locked.
;   out   EAX = thread, or 0
.global find_next_to_run
find_next_to_run:
    xor eax, eax
    bsr edx, [ready_set]
    jz .Lreturn
    push edx
    lea ecx, [ready_queues + edx * QUEUE_SIZE]
    call queue_take
    pop edx
    cmp dword ptr [ecx + QUEUE_HEAD], 0
    jne .Lreturn
    btr [ready_set], edx
.Lreturn:
    ret

; sched_ready, sched_unblocked: a thread can run: behind its equals. Locked.
;   in    EAX = thread
.global sched_ready, sched_unblocked
sched_ready:
sched_unblocked:
    mov edx, eax
    mov ecx, [eax + UT_PRIORITY]
    bts [ready_set], ecx
    lea eax, [ready_queues + ecx * QUEUE_SIZE]
    jmp queue_put

; sched_preempted: a thread could go on, but another was more urgent: before its equals. Locked.
;   in    EAX = thread
.global sched_preempted
sched_preempted:
    mov ecx, [eax + UT_PRIORITY]
    bts [ready_set], ecx
    lea ecx, [ready_queues + ecx * QUEUE_SIZE]
    mov edx, [ecx + QUEUE_HEAD]
    mov [eax + UT_NEXT], edx
    mov [ecx + QUEUE_HEAD], eax
    test edx, edx
    jnz .Lreturn
    mov [ecx + QUEUE_TAIL], eax
.Lreturn:
    ret

; sched_preempts: is somebody who is ready more urgent than this thread? Locked.
;   in    EAX = thread
;   out   CF set: yes
.global sched_preempts
sched_preempts:
    bsr edx, [ready_set]
    jz .Lnobody
    cmp [eax + UT_PRIORITY], edx
    ret
.Lnobody:
    clc
    ret

.bss

.align 4
ready_set:                      ; bit n: somebody of priority n is ready
    .space 4
ready_queues:                   ; a QUEUE for each priority
    .space QUEUE_SIZE * USER_PRIORITIES
