; Ceilings, if EXTENSIONS has KIP_CEILING: a bound for priority inversion, without a policy.
;
; A thread may give the processor to any thread by IPC, also to one that matters less than a third, which was
; preempted and waits (Stoess, section 5). So a scheduler says how urgent each of its threads is, with its replies
; (STATE_MORE), and in UTCB_CEILING how urgent one must be to get the processor without it: as urgent as the first
; that it keeps waiting. The kernel compares the two. Where the caller can go on, it does; where not, the thread asks
; its scheduler.

.include "micro.inc"

.if EXTENSIONS & KIP_CEILING

.text

; ceiling_check: may the current thread give the processor to another one?
;   in    EBP, EAX = KTCB of the other
;   out   CF set: no; EAX kept
.global ceiling_check
ceiling_check:
    mov ecx, [eax + KTCB_SCHEDULER]
    test ecx, ecx
    jz .Lreturn                 ; it has none: CF is clear
    cmp ecx, ebp
    je .Lreturn                 ; who decides: likewise
    mov ecx, [ecx + KTCB_UTCB]
    mov edx, [eax + KTCB_URGENCY]
    cmp edx, [ecx + UTCB_CEILING]
.Lreturn:
    ret

; ceiling_refuse: the current thread has blocked, and the one that would go on in its place may not.
;   in    EBP, EAX = KTCB of that one
;   out   does not return
.global ceiling_refuse
ceiling_refuse:
    mov ecx, PREEMPTED_CEILING
    mov edx, [ebp + KTCB_ID]
    jmp sched_ask

.endif
