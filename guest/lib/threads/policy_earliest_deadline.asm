; A policy: earliest deadline first. The ready thread with the lowest deadline runs, at once; of equals, the one that
; became ready first, and a preempted thread before them.
;
;     ready_head -> UT -UT_NEXT-> UT -UT_NEXT-> ... -> 0        by UT_DEADLINE

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
.Lreturn:
    ret

; sched_ready, sched_unblocked: a thread can run: behind all with the same deadline. Locked.
;   in    EAX = thread
.global sched_ready, sched_unblocked
sched_ready:
sched_unblocked:
    mov edx, [eax + UT_DEADLINE]

; sched_insert: a thread goes behind all whose deadline is not above a number.
;   in    EAX = thread, EDX = the number
sched_insert:
    push ebx
    mov ecx, ready_head - UT_NEXT           ; as if the head were the link of a thread
.Lnext:
    mov ebx, [ecx + UT_NEXT]
    test ebx, ebx
    jz .Lhere
    cmp [ebx + UT_DEADLINE], edx
    ja .Lhere
    mov ecx, ebx
    jmp .Lnext
.Lhere:
    mov [eax + UT_NEXT], ebx
    mov [ecx + UT_NEXT], eax
    pop ebx
    ret

; sched_preempted: a thread could go on, but another was more urgent: before all with the same deadline. Locked.
;   in    EAX = thread
.global sched_preempted
sched_preempted:
    mov edx, [eax + UT_DEADLINE]
    dec edx
    jmp sched_insert

; sched_preempts: is somebody who is ready more urgent than this thread? Locked.
;   in    EAX = thread
;   out   CF set: yes
.global sched_preempts
sched_preempts:
    mov edx, [ready_head]
    test edx, edx
    jz .Lreturn                 ; CF is clear
    mov edx, [edx + UT_DEADLINE]
    cmp edx, [eax + UT_DEADLINE]
.Lreturn:
    ret

.bss

.align 4
ready_head:                     ; the thread that runs next, or 0
    .space 4
