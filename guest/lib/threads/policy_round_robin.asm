; The default policy: round robin, and who has waited in the kernel goes first.
;
; A thread whose event has come is urgent: it goes before all that are ready, behind those that became urgent before it,
; and the running thread gives way to it. That one has the next turn then.
;
;     ready_head -> urgent -> ... -> urgent -> preempted -> ready -> ... -> ready -> 0
;     ready_urgent -------------------^                                       ^
;     ready_tail -------------------------------------------------------------+

.include "lib/threads/threads.inc"

.text

; find_next_to_run: takes the thread that runs next out of those that are ready. Locked.
;   out   EAX = thread, or 0
.global find_next_to_run
find_next_to_run:
    mov eax, [ready_head]
    test eax, eax
    jz .Lreturn
    mov edx, [eax + UT_NEXT]
    mov [ready_head], edx
    cmp [ready_urgent], eax
    je .Llast
.Lreturn:
    ret
.Llast:
    mov dword ptr [ready_urgent], 0
    ret

; sched_ready: a thread can run: it is new, its wait has ended, or it let others go first. Locked.
;   in    EAX = thread
.global sched_ready
sched_ready:
    mov dword ptr [eax + UT_NEXT], 0
    cmp dword ptr [ready_head], 0
    je .Lempty
    mov edx, [ready_tail]
    mov [edx + UT_NEXT], eax
    mov [ready_tail], eax
    ret
.Lempty:
    mov [ready_head], eax
    mov [ready_tail], eax
    ret

; sched_unblocked: a thread can run: what it waits for in the kernel has come. Locked.
;   in    EAX = thread
.global sched_unblocked
sched_unblocked:
    call sched_preempted
    mov [ready_urgent], eax
    ret

; sched_preempted: a thread could go on, but another was more urgent. Locked.
;   in    EAX = thread
;   out   EAX kept
.global sched_preempted
sched_preempted:
    mov ecx, [ready_urgent]
    test ecx, ecx
    jnz .Lbehind
    mov ecx, ready_head - UT_NEXT           ; as if the head were the link of a thread
.Lbehind:
    mov edx, [ecx + UT_NEXT]
    mov [eax + UT_NEXT], edx
    mov [ecx + UT_NEXT], eax
    test edx, edx
    jnz .Lreturn
    mov [ready_tail], eax
.Lreturn:
    ret

; sched_preempts: is somebody who is ready more urgent than this thread? Locked.
;   in    EAX = thread
;   out   CF set: yes
.global sched_preempts
sched_preempts:
    xor eax, eax
    cmp eax, [ready_urgent]
    ret

.bss

.align 4
ready_head:                     ; the thread that runs next, or 0
    .space 4
ready_tail:                     ; the last of the queue; means nothing while it is empty
    .space 4
ready_urgent:                   ; the last that is urgent, or 0
    .space 4
