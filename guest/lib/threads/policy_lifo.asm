; A policy: last in, first out. The thread that became ready last runs next; nobody is preempted, and one that yields
; runs again only when there is no other.
;
;     ready_top -> UT -UT_NEXT-> UT -UT_NEXT-> ... -> 0

.include "lib/threads/threads.inc"

.text

; find_next_to_run: takes the thread that runs next out of those that are ready. Locked.
;   out   EAX = thread, or 0
.global find_next_to_run
find_next_to_run:
    mov eax, [ready_top]
    test eax, eax
    jz .Lreturn
    mov edx, [eax + UT_NEXT]
    mov [ready_top], edx
.Lreturn:
    ret

; sched_ready: a thread can run: it is new, its wait has ended, or it let others go first. Locked.
;   in    EAX = thread
.global sched_ready
sched_ready:
    cmp eax, [thread_current]
    je sched_bottom             ; it lets others go first

; sched_unblocked, sched_preempted: a thread can run: what it waits for has come, or another was more urgent. Locked.
;   in    EAX = thread
.global sched_unblocked, sched_preempted
sched_unblocked:
sched_preempted:
    mov edx, [ready_top]
    mov [eax + UT_NEXT], edx
    mov [ready_top], eax
    ret

; sched_bottom: a thread goes below all others.
;   in    EAX = thread
sched_bottom:
    mov dword ptr [eax + UT_NEXT], 0
    mov ecx, ready_top - UT_NEXT            ; as if the top were the link of a thread
.Lnext:
    mov edx, [ecx + UT_NEXT]
    test edx, edx
    jz .Llast
    mov ecx, edx
    jmp .Lnext
.Llast:
    mov [ecx + UT_NEXT], eax
    ret

; sched_preempts: is somebody who is ready more urgent than this thread? Locked.
;   in    EAX = thread
;   out   CF set: yes
.global sched_preempts
sched_preempts:
    clc
    ret

.bss

.align 4
ready_top:                      ; the thread that runs next, or 0
    .space 4
