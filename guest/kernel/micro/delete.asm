; What becomes of others when a thread goes, or goes by another identifier from now on.
;
; Owns nothing. ThreadControl comes here when all is checked. Whoever waited for the thread may be able to run after that,
; and there may be several: who goes on in the end is kept in EBX (contend).

.include "micro.inc"

.text

; thread_delete: a thread ends, and all that is its own goes; its space, too, if no other thread is in it.
;   in    EDI = KTCB, not the root scheduler's; EBP
;   out   does not return
.global thread_delete
thread_delete:
    EXTENSION KIP_BUDGET, budget_now
    mov ebx, ebp
    cmp edi, ebp
    jne .Lleave
    xor ebx, ebx                ; the caller itself: so far nobody goes on,
    mov ebp, idle_ktcb          ; and nobody is current

    ; Out of all that it waits in.
.Lleave:
    cmp dword ptr [edi + KTCB_TRANSFER], PART_NONE
    je .Lunlink
    mov eax, edi
    mov edx, IPC_ABORTED
    call transfer_leave
    call contend
.Lunlink:
    LOAN_OVER budget_close
    mov eax, edi
    call ipc_unlink
    mov eax, edi
    call sched_gone
    mov dword ptr [edi + KTCB_STATE], IS_DEAD   ; from here on thread_find does not find it

    ; Out of what others have of it.
    mov eax, edi
    call thread_forget
    mov eax, [edi + KTCB_ID]
    xor edx, edx                                ; NIL_THREAD
    call interrupts_move
    mov eax, edi
    mov edx, [edi + KTCB_ID]
    call thread_forsake

    ; Its memory.
    EXTENSION KIP_ACCOUNTING, account_close
    mov esi, [edi + KTCB_SPACE]
    mov eax, edi
    call thread_free
    lea eax, [esi + KERNEL_BASE]
    call space_leave
    EXTENSION KIP_ACCOUNTING, account_end
    mov eax, ebx
    test eax, eax
    jnz run
    call sched_idle
    jmp run

; thread_rename: a thread has another identifier. Whoever waits for it by the old one hears that it is gone.
;   in    EAX = KTCB, EDX = new identifier; EBX = KTCB of who goes on
;   out   EBX
.global thread_rename
thread_rename:
    push edi
    mov edi, eax
    push dword ptr [edi + KTCB_ID]
    mov [edi + KTCB_ID], edx
    mov ecx, [edi + KTCB_UTCB]
    mov [ecx + UTCB_ID], edx
    mov eax, [esp]
    call interrupts_move
    pop edx
    mov eax, edi
    call thread_forsake
    pop edi
    ret

; interrupts_move: the lines that are attached to an identifier go to another.
;   in    EAX = the identifier, EDX = the other; NIL_THREAD: none
interrupts_move:
    push ebx
    push esi
    push edi
    mov esi, eax
    mov edi, edx
    mov ebx, IRQ_THREADS - 1
.Lline:
    cmp [interrupt_handlers + ebx * 4], esi
    jne .Lnext
    mov eax, ebx
    mov edx, edi
    call interrupt_attach
.Lnext:
    dec ebx
    jns .Lline
    pop edi
    pop esi
    pop ebx
    ret

; thread_forget: nobody has this thread as scheduler any more.
;   in    EAX = KTCB
;
; Those whose scheduler it was have none: they go on, but a preemption message of theirs waits until they have a new one.
thread_forget:
    mov ecx, FIRST_THREAD
.Lthread:
    mov edx, [thread_table + ecx * 4]
    cmp [edx + KTCB_SCHEDULER], eax
    jne .Lnext
    mov dword ptr [edx + KTCB_SCHEDULER], 0
.Lnext:
    inc ecx
    cmp ecx, MAX_THREADS
    jb .Lthread
    jmp sched_scheduler         ; their levels

; thread_forsake: an identifier is gone. Whose IPC or message of the kernel waits for it, waits in vain.
;   in    EAX = KTCB of the thread that had it, EDX = the identifier; EBX = KTCB of who goes on, or 0
;   out   EBX
thread_forsake:
    push esi
    push edi
    push edx
    mov edi, eax
    mov esi, thread_table + FIRST_THREAD * 4
.Lthread:
    mov eax, [esi]
    cmp dword ptr [eax + KTCB_STATE], IS_SENDING
    je .Lsends
    cmp dword ptr [eax + KTCB_STATE], IS_RECEIVING
    je .Lreceives
.Lnext:
    add esi, 4
    cmp esi, thread_table + MAX_THREADS * 4
    jb .Lthread
    pop edx
    pop edi
    pop esi
    ret

    ; EAX waits for it? EDX = the error then.
.Lsends:
    cmp [eax + KTCB_PARTNER], edi
    jne .Lnext
    mov edx, IPC_NO_PARTNER
    jmp .Lvain
.Lreceives:
    mov ecx, [eax + KTCB_WAIT]
    or ecx, [eax + KTCB_KWAIT]  ; one of the two is 0
    cmp ecx, [esp]
    jne .Lnext
    mov edx, IPC_NO_PARTNER | IPC_RECEIVE_PHASE
.Lvain:
    cmp dword ptr [eax + KTCB_KIND], KIND_USER
    jne .Lkernel
    push eax
    call ipc_fail
    pop eax
    call contend
    jmp .Lnext

    ; A preemption message follows a scheduler that is still there.
.Lkernel:
    cmp dword ptr [eax + KTCB_KIND], KIND_PREEMPTION
    jne .Lorphan
    cmp dword ptr [eax + KTCB_SCHEDULER], 0
    je .Lorphan
    call message_resend
    call contend
    jmp .Lnext
.Lorphan:
    call message_orphan
    push edx
    call contend
    pop eax
    call contend
    jmp .Lnext

; contend: one more thread can run. It loses against the one who is to go on, unless the policy knows better.
;   in    EAX = KTCB in no queue, or 0; EBX = KTCB of who goes on so far, or 0 if nobody does
;   out   EBX = who goes on
.global contend
contend:
    test eax, eax
    jz .Lreturn
    test ebx, ebx
    jz .Lfirst
    mov edx, ebx
    mov ecx, PREEMPTED_CHOICE
    call sched_lose
    mov ebx, eax
.Lreturn:
    ret
.Lfirst:                        ; nobody is current
    call sched_wake
    mov ebx, eax
    ret
