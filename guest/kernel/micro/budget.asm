; Budgets, if EXTENSIONS has KIP_BUDGET: a donation that ends.
;
; A thread that calls another one lends it the processor for as long as it likes (Stoess, section 5: time isolation is
; open). With UTCB_BUDGET it lends so many cycles at most. Whoever runs on a loan and calls lends in turn, with a
; limit of its own or without one. Each cycle is charged to all loans of the chain, so that none lasts longer than
; those above it:
;
;     A --call, 1000--> B --call--> C          C runs for 700 cycles, and both loans are less by that
;     A.borrower = B    B.borrower = C
;                       B.donor = A            C.donor = B
;                       B.budget = 300         C.budget = -1, no limit
;
; Links are there in pairs. A loan ends when its lender gets the processor again: by the reply, or because its call
; has failed. It ends, too, when its borrower receives from anybody: it works for somebody else then. Preemption does
; not end it.
;
; A loan that is used up shows at the next interrupt, which is a tick away at most: its borrower is preempted, and the
; lender's scheduler hears of it instead of its own. The reply lends anew. A stranger neither sees nor changes the
; borrower's registers; and if the lender goes away before the reply, the borrower asks its own scheduler after all.

.include "micro.inc"

.if EXTENSIONS & KIP_BUDGET

.text

; budget_message: a thread has a program's message. It may be on a loan from now on, or not any more.
;   in    ESI = KTCB of the sender, EDI = KTCB of the receiver, EBP is one of them
.global budget_message
budget_message:
    mov eax, edi
    call budget_begin
    ; Only a call lends, for in any other case the caller does not wait for the other one.
    cmp esi, ebp
    jne .Lreturn
    mov eax, [esi + KTCB_EAX]
    cmp eax, [esi + KTCB_EDX]
    jne .Lreturn
    cmp word ptr [esi + KTCB_ECX], TIMEOUT_NEVER
    jne .Lreturn
    ; Not to the lender, whom this answers, nor to one who goes on with a loan of its own. And not to one of the
    ; caller's schedulers: nobody stops those above.
    cmp [esi + KTCB_DONOR], edi
    je .Lreturn
    cmp dword ptr [edi + KTCB_DONOR], 0
    jne .Lreturn
    mov eax, edi
    mov edx, esi
    call sched_is_above
    je .Lreturn
    mov ecx, [esi + KTCB_UTCB]
    mov ecx, [ecx + UTCB_BUDGET]
    test ecx, ecx
    jnz .Llends
    cmp dword ptr [esi + KTCB_DONOR], 0
    je .Lreturn
    or ecx, -1
.Llends:
    mov [esi + KTCB_BORROWER], edi
    mov [edi + KTCB_DONOR], esi
    mov [edi + KTCB_BUDGET], ecx
.Lreturn:
    ret

; budget_begin: a thread has received something. If it was from anybody, it does not work for its lender any more.
;   in    EAX = its KTCB, EBP
.global budget_begin
budget_begin:
    cmp dword ptr [eax + KTCB_EDX], ANY_THREAD
    jne .Lreturn
    cmp dword ptr [eax + KTCB_DONOR], 0
    je .Lreturn
    push eax
    call budget_now
    pop eax
    xor ecx, ecx
    xchg ecx, [eax + KTCB_DONOR]
    mov dword ptr [ecx + KTCB_BORROWER], 0
.Lreturn:
    ret

; budget_switch: the current thread loses the processor.
;   in    EBP = its KTCB, EAX = KTCB of the one who gets it, another one
;   out   EAX kept
.global budget_switch
budget_switch:
    push eax
    cmp dword ptr [ebp + KTCB_DONOR], 0
    je .Lbegins
    call budget_charge
    jmp .Llender
.Lbegins:
    cmp dword ptr [eax + KTCB_DONOR], 0
    je .Llender
    rdtsc
    mov [budget_since], eax
    mov [budget_since_high], edx
.Llender:
    pop eax
    xor ecx, ecx
    xchg ecx, [eax + KTCB_BORROWER]
    jecxz .Lreturn
    mov dword ptr [ecx + KTCB_DONOR], 0
.Lreturn:
    ret

; budget_now: the current thread's loan is charged up to now, if it is on one.
;   in    EBP
.global budget_now
budget_now:
    cmp dword ptr [ebp + KTCB_DONOR], 0
    je budget_return

; budget_charge: likewise, where it is known to be.
;   in    EBP
budget_charge:
    rdtsc
    mov ecx, eax
    sub eax, [budget_since]
    mov [budget_since], ecx
    mov ecx, edx
    sbb edx, [budget_since_high]
    mov [budget_since_high], ecx
    jz .Lcycles
    mov eax, -2                 ; more than any loan
.Lcycles:
    mov ecx, ebp
.Lloan:
    cmp dword ptr [ecx + KTCB_BUDGET], -1
    je .Lnext
    sub [ecx + KTCB_BUDGET], eax
    jae .Lnext
    mov dword ptr [ecx + KTCB_BUDGET], 0
.Lnext:
    mov ecx, [ecx + KTCB_DONOR]
    cmp dword ptr [ecx + KTCB_DONOR], 0
    jne .Lloan
budget_return:
    ret

; budget_used_up: has a thread used up its loan, or one above that? Of several, the one that is above the others counts.
;   in    EAX = KTCB
;   out   CF set: no; else EAX = KTCB of the loan's borrower, ECX = KTCB of its lender
budget_used_up:
    xor edx, edx                ; the borrower, or 0
.Lloan:
    mov ecx, [eax + KTCB_DONOR]
    jecxz .Lfound
    cmp dword ptr [eax + KTCB_BUDGET], 0
    jne .Lnext
    mov edx, eax
.Lnext:
    mov eax, ecx
    jmp .Lloan
.Lfound:
    cmp edx, 1
    jb .Lreturn
    mov eax, edx
    mov ecx, [eax + KTCB_DONOR]
.Lreturn:
    ret

; budget_scheduler: who hears of a preemption? If a loan is used up, the lender's scheduler.
;   in    EBX = KTCB of the one who is preempted, EDX = KTCB of its scheduler, or 0
;   out   EDX; its KTCB_REASON and KTCB_PREEMPTER
.global budget_scheduler
budget_scheduler:
    push edx
    mov eax, ebx
    call budget_used_up
    pop edx
    jc .Lreturn
    mov dword ptr [ebx + KTCB_REASON], PREEMPTED_BUDGET
    mov eax, [ecx + KTCB_ID]
    mov [ebx + KTCB_PREEMPTER], eax
    mov ecx, [ecx + KTCB_SCHEDULER]
    jecxz .Lreturn
    cmp ecx, ebx                ; who schedules its lender asks its own scheduler
    je .Lreturn
    mov edx, ecx
.Lreturn:
    ret

; budget_check: an interrupt has woken nobody. May the current thread go on?
;   in    EBP
;   out   CF set: its loan is used up
.global budget_check
budget_check:
    mov eax, ebp
    call budget_used_up
    cmc
    ret

; budget_stop: it may not.
;   in    EBP
;   out   does not return
.global budget_stop
budget_stop:
    mov eax, ebp
    jmp sched_ask               ; which sees the reason, too

; budget_reply: the reply to a preemption. It lends anew what has been used up.
;   in    EBP = KTCB of the one who replies, EDI = KTCB of the thread
.global budget_reply
budget_reply:
    mov eax, edi
    call budget_used_up
    jc .Lreturn
    mov ecx, [ebp + KTCB_UTCB]
    mov ecx, [ecx + UTCB_BUDGET]
    cmp ecx, 1
    sbb ecx, 0                  ; 0, no limit, is -1 here
    mov [eax + KTCB_BUDGET], ecx
.Lreturn:
    ret

; budget_close: a thread ends, and with it the loan that it was on.
;   in    EDI = KTCB, EBP
;   out   EAX as budget_revoke
.global budget_close
budget_close:
    mov ecx, [edi + KTCB_DONOR]
    jecxz budget_revoke
    mov dword ptr [ecx + KTCB_BORROWER], 0

; budget_revoke: a thread does not wait any more for the one to whom it lends. If somebody has asked the lender's
; scheduler because of that loan, it asks its own now.
;   in    EDI = KTCB, EBP
;   out   EAX = KTCB of a scheduler that can run now, or 0
.global budget_revoke
budget_revoke:
    call budget_now
    xor eax, eax
    xchg eax, [edi + KTCB_BORROWER]
    test eax, eax
    jz .Lreturn
    mov dword ptr [eax + KTCB_DONOR], 0
.Llast:
    mov ecx, [eax + KTCB_BORROWER]
    jecxz .Lwaits
    mov eax, ecx
    jmp .Llast
.Lwaits:
    cmp dword ptr [eax + KTCB_KIND], KIND_PREEMPTION
    jne .Lnobody
    call budget_stranger
    jne message_resend
.Lnobody:
    xor eax, eax
.Lreturn:
    ret

; budget_stranger: has a preempted thread asked another one than its scheduler?
;   in    EAX = KTCB
;   out   ZF clear: yes; EAX kept
budget_stranger:
    mov ecx, [eax + KTCB_SCHEDULER]
    cmp dword ptr [eax + KTCB_STATE], IS_SENDING
    jne .Lhas_asked
    cmp [eax + KTCB_PARTNER], ecx
    ret
.Lhas_asked:
    jecxz .Lreturn
    mov ecx, [ecx + KTCB_ID]
.Lreturn:
    cmp [eax + KTCB_KWAIT], ecx
    ret

.bss

.align 4
budget_since:                   ; RDTSC up to which the current thread's loan is charged, if it is on one
    .space 4
budget_since_high:
    .space 4

.endif
