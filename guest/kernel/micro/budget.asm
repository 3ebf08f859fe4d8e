; Budgets, if EXTENSIONS has KIP_BUDGET: a donation that ends.
;
; A thread gives the processor away for as long as the other one likes (Stoess, section 5: time isolation is open). Here
; it can set a limit. A caller lends UTCB_BUDGET cycles at most; a scheduler gives as many with its reply to a
; preemption. Whoever has a limit and calls lends in turn, with a limit of its own or without one. Each cycle is charged
; to all that such a chain was given, so none of it lasts longer than what is above it:
;
;     A --call, 1000--> B --call--> C          C runs for 700 cycles
;     A.borrower = B    B.borrower = C
;                       B.donor = A            C.donor = B
;                       B.budget = 300         C.budget = 0, no limit
;
; Who gives the processor to another one and does not wait for an answer of that one hands on what is left, the loan
; with it: so no way of giving it away makes it more. A loan ends when its lender has the processor again: by the reply,
; or because its call has failed. And who has waited for anybody begins anew with what comes: it works for that one
; from then on. To be preempted changes nothing. Nobody's limit binds those who schedule it.
;
; That a budget is used up shows at the next interrupt, which is a tick away at most. Who runs then is preempted, and
; instead of its own scheduler that of the lender hears of it; if it was a scheduler's gift, that scheduler. The reply
; gives anew. A stranger neither sees nor changes the registers of the one who was preempted; and if the lender goes
; away before the reply, that one asks its own scheduler after all.

.include "micro.inc"

.if EXTENSIONS & KIP_BUDGET

; LIMITED register, thread: does a budget bind it, or one above it? ZF clear: yes.
.macro LIMITED register, thread
    mov \register, [\thread + KTCB_DONOR]
    or \register, [\thread + KTCB_BUDGET]
.endm

.text

; budget_message: a thread has a program's message.
;   in    ESI = KTCB of the sender, EDI = KTCB of the receiver, EBP is one of them
.global budget_message
budget_message:
    cmp esi, ebp
    jne budget_return
    mov [budget_receiver], edi
    mov eax, edi

; budget_begin: a thread has received something. If it has waited, and for anybody, it begins anew.
;   in    EAX = its KTCB, EBP
.global budget_begin
budget_begin:
    cmp eax, ebp
    je budget_return                    ; it has the processor all the time
    cmp dword ptr [eax + KTCB_EDX], ANY_THREAD
    jne budget_return
    xor ecx, ecx
    mov [eax + KTCB_BUDGET], ecx
    xchg ecx, [eax + KTCB_DONOR]
    jecxz budget_return
    mov dword ptr [ecx + KTCB_BORROWER], 0
budget_return:
    ret

; budget_give: the current thread waits, and another one goes on in its place.
;   in    EBP, EAX = KTCB of the other
;   out   EAX kept
;
; If it waits for an answer of that one, it lends; else it hands on. To whose message of the kernel it has replied, that
; one goes on with what it has.
.global budget_give
budget_give:
    xor ecx, ecx
    cmp dword ptr [ebp + KTCB_KIND], KIND_USER
    jne budget_lend                     ; a fault is a call of its pager or handler
    cmp dword ptr [ebp + KTCB_TRANSFER], PART_NONE
    jne budget_lend                     ; likewise, be it the other one's page
    cmp [budget_receiver], eax
    jne budget_return
    mov edx, [ebp + KTCB_EDX]
    cmp [ebp + KTCB_EAX], edx
    jne budget_hand_on
    mov ecx, [ebp + KTCB_UTCB]
    mov ecx, [ecx + UTCB_BUDGET]

; budget_lend: the current thread waits for another one.
;   in    EBP, EAX = KTCB of the other, ECX = limit, or 0
;   out   EAX kept
budget_lend:
    LIMITED edx, ebp
    or edx, ecx
    jz budget_return
    call budget_takes
    jne budget_return
    push ecx
    push eax
    call budget_now
    pop eax
    call budget_over
    pop ecx
    mov [ebp + KTCB_BORROWER], eax
    mov [eax + KTCB_DONOR], ebp
    mov [eax + KTCB_BUDGET], ecx
    ret

; budget_hand_on: the current thread does not wait for another one, to whom it gives the processor.
;   in    EBP, EAX = KTCB of the other
;   out   EAX kept
budget_hand_on:
    LIMITED edx, ebp
    jz budget_return
    call budget_takes
    jne budget_return
    mov [budget_heir], eax              ; when the current thread has paid (budget_switch)
    ret

; budget_takes: does what the current thread has been given go to another one? Not to the lender, who is answered; nor
; to one who has something of its own; nor to a scheduler of the current thread, be that one without a scheduler: the root
; scheduler is above all.
;   in    EBP, EAX = KTCB of the other
;   out   ZF set: yes; EAX, ECX kept
budget_takes:
    cmp [ebp + KTCB_DONOR], eax
    je .Lno
    cmp eax, [root_scheduler]
    je .Lno
    LIMITED edx, eax
    jnz .Lreturn
    push ecx
    mov edx, ebp
    call sched_is_above
    pop ecx
    je .Lno
    cmp eax, eax
.Lreturn:
    ret
.Lno:
    test esp, esp                       ; ZF clear
    ret

; budget_over: a thread does not wait for the one to whom it lends any more.
;   in    EAX = its KTCB
;   out   EAX kept
budget_over:
    xor ecx, ecx
    xchg ecx, [eax + KTCB_BORROWER]
    jecxz .Lreturn
    mov dword ptr [ecx + KTCB_DONOR], 0
    mov dword ptr [ecx + KTCB_BUDGET], 0
.Lreturn:
    ret

; budget_switch: the current thread loses the processor.
;   in    EBP = its KTCB, EAX = KTCB of the one who gets it, another one
;   out   EAX kept
.global budget_switch
budget_switch:
    push eax
    LIMITED ecx, ebp
    jz .Lbegins
    call budget_charge
    xor eax, eax
    xchg eax, [budget_heir]
    test eax, eax
    jz .Llender
    call budget_over
    xor ecx, ecx
    xchg ecx, [ebp + KTCB_BUDGET]
    mov [eax + KTCB_BUDGET], ecx
    xor ecx, ecx
    xchg ecx, [ebp + KTCB_DONOR]
    mov [eax + KTCB_DONOR], ecx
    jecxz .Llender
    mov [ecx + KTCB_BORROWER], eax
    jmp .Llender
.Lbegins:
    LIMITED ecx, eax
    jz .Llender
    rdtsc
    mov [budget_since], eax
    mov [budget_since_high], edx
.Llender:
    pop eax
    jmp budget_over

; budget_now: what the current thread was given is charged up to now.
;   in    EBP
.global budget_now
budget_now:
    LIMITED ecx, ebp
    jz budget_return

; budget_charge: likewise, where it is known to have a limit.
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
    or eax, -1                          ; more than any budget
.Lcycles:
    mov ecx, ebp
.Lloan:
    cmp dword ptr [ecx + KTCB_BUDGET], 0
    je .Lnext
    sub [ecx + KTCB_BUDGET], eax
    ja .Lnext
    mov dword ptr [ecx + KTCB_BUDGET], 1
.Lnext:
    mov ecx, [ecx + KTCB_DONOR]
    test ecx, ecx
    jnz .Lloan
    ret

; budget_used_up: has a thread used up its budget, or one above that? Of several, the one above the others counts.
;   in    EAX = KTCB
;   out   CF set: no; else EAX = KTCB of the one who was given it, ECX = KTCB of its lender, or 0; EDX kept
budget_used_up:
    push edx
    xor edx, edx                        ; who it is, so far
.Lloan:
    cmp dword ptr [eax + KTCB_BUDGET], 1
    jne .Lnext
    mov edx, eax
.Lnext:
    mov eax, [eax + KTCB_DONOR]
    test eax, eax
    jnz .Lloan
    mov eax, edx
    pop edx
    cmp eax, 1
    jb .Lreturn
    mov ecx, [eax + KTCB_DONOR]
.Lreturn:
    ret

; budget_scheduler: who hears of a preemption? If a budget is used up, the scheduler of the lender, or who gave it.
;   in    EBX = KTCB of the one who is preempted, EDX = KTCB of its scheduler, or 0
;   out   EDX; its KTCB_REASON and KTCB_PREEMPTER
.global budget_scheduler
budget_scheduler:
    mov eax, ebx
    call budget_used_up
    jc .Lreturn
    jecxz .Lgift
    mov eax, ecx
.Lgift:
    mov dword ptr [ebx + KTCB_REASON], PREEMPTED_BUDGET
    mov ecx, [eax + KTCB_ID]
    mov [ebx + KTCB_PREEMPTER], ecx
    mov ecx, [eax + KTCB_SCHEDULER]
    jecxz .Lreturn
    cmp ecx, ebx                        ; who schedules the lender asks its own scheduler
    je .Lreturn
    mov edx, ecx
.Lreturn:
    ret

; budget_check: an interrupt has woken nobody. May the current thread go on?
;   in    EBP
;   out   CF set: no, a budget is used up
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
    jmp sched_ask                       ; which sees the reason, too

; budget_reply: the reply to a preemption gives anew what has been used up; or a scheduler gives a thread of its own,
; which is not on a loan, something new.
;   in    EBP = KTCB of the one who replies, EDI = KTCB of the thread
.global budget_reply
budget_reply:
    mov edx, [ebp + KTCB_UTCB]
    mov edx, [edx + UTCB_BUDGET]
    mov eax, edi
    call budget_used_up
    jnc .Lgive
    test edx, edx
    jz .Lreturn
    cmp [edi + KTCB_SCHEDULER], ebp
    jne .Lreturn
    cmp dword ptr [edi + KTCB_DONOR], 0
    jne .Lreturn
    mov eax, edi
.Lgive:
    mov [eax + KTCB_BUDGET], edx
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
    push dword ptr [edi + KTCB_BORROWER]
    mov eax, edi
    call budget_over
    pop eax
    test eax, eax
    jz .Lreturn
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

.global budget_receiver

.align 4
budget_since:                   ; RDTSC up to which the current thread's budget is charged, if it has one
    .space 4
budget_since_high:
    .space 4
budget_receiver:                ; KTCB of who has had the current thread's message, 0 if that was for the kernel
    .space 4
budget_heir:                    ; KTCB of who is to have what the current thread was given, or 0
    .space 4

.endif
