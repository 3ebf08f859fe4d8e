; Messages of the kernel: what it sends in the name of a thread, and what it does with the reply.
;
; Owns KTCB_KIND. A page fault, an exception, a preemption, an interrupt: each is an IPC like any other to the one who gets it,
; and the thread behind it waits for the reply as in a call. The message is made when it is delivered, from the KTCB; the
; reply is carried out here instead of reaching the program. So schedulers, pagers and drivers are ordinary programs.

.include "micro.inc"

.text

; message_send: a thread asks somebody, and blocks.
;   in    EAX = KTCB, in no queue; EDX = identifier of the one who gets it, ECX = KIND_
;   out   EAX = KTCB of the one who gets it if that one can run now; 0: it is busy, the thread waits to send
;         CF set: there is nobody; only KTCB_KIND has changed
.global message_send
message_send:
    push ebx
    push esi
    mov ebx, eax
    mov [ebx + KTCB_KIND], ecx
    mov eax, edx
    call thread_find
    jc .Lreturn
    cmp eax, ebx
    stc
    je .Lreturn
    mov esi, eax
    mov edx, [ebx + KTCB_ID]
    cmp dword ptr [esi + KTCB_KIND], KIND_USER      ; one that waits for a reply itself takes nothing else
    jne .Lbusy
    call ipc_takes
    jne .Lbusy
    mov eax, esi
    call timeout_stop
    mov eax, ebx
    mov edx, esi
    call message_deliver
    mov eax, esi
    clc
.Lreturn:
    pop esi
    pop ebx
    ret
.Lbusy:
    mov eax, ebx
    mov edx, esi
    call senders_add
    xor eax, eax                        ; CF clear
    pop esi
    pop ebx
    ret

; message_deliver: a message of the kernel reaches its receiver, and its thread waits for the reply.
;   in    EAX = KTCB of the thread, in no queue; EDX = KTCB of the receiver
;   out   the receiver is IS_RUNNING and has the message
.global message_deliver
message_deliver:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov eax, [edx + KTCB_ID]
    mov [ebx + KTCB_KWAIT], eax
    mov dword ptr [ebx + KTCB_STATE], IS_RECEIVING
    mov edi, [esi + KTCB_UTCB]
    mov eax, [ebx + KTCB_KIND]
    jmp dword ptr [message_makers - KIND_PAGE_FAULT * 4 + eax * 4]

message_page_fault:
    mov eax, [ebx + KTCB_FAULT_ADDRESS]
    mov [edi + UTCB_MR1], eax
    mov eax, [ebx + KTCB_EIP]
    mov [edi + UTCB_MR2], eax
    mov eax, [ebx + KTCB_FAULT_LABEL]
    shl eax, LABEL_SHIFT
    or eax, 2
    jmp message_made

message_exception:
    mov eax, [ebx + KTCB_VECTOR]
    mov edx, [ebx + KTCB_ERROR]
    mov ecx, LABEL_EXCEPTION << LABEL_SHIFT | STATE_WORDS
    jmp message_state

message_preemption:
    mov eax, [ebx + KTCB_REASON]
    mov edx, [ebx + KTCB_PREEMPTER]
    mov ecx, LABEL_PREEMPTION << LABEL_SHIFT | STATE_WORDS
.if EXTENSIONS & KIP_BUDGET
    cmp [ebx + KTCB_SCHEDULER], esi
    jne message_stranger
.endif

; message_state: the words of a STATE. EAX and EDX are its vector and error, ECX is the tag.
message_state:
    mov [edi + UTCB_MR1 + STATE_VECTOR], eax
    mov [edi + UTCB_MR1 + STATE_ERROR], edx
    mov eax, [ebx + KTCB_EIP]
    mov [edi + UTCB_MR1 + STATE_EIP], eax
    mov eax, [ebx + KTCB_EFLAGS]
    mov [edi + UTCB_MR1 + STATE_EFLAGS], eax
    mov eax, [ebx + KTCB_ESP]           ; in PUSHAD's place for it the registers are in order
    mov [ebx + KTCB_PUSHAD_ESP], eax
    mov eax, ecx
    push esi
    push edi
    lea esi, [ebx + KTCB_EDI]
    add edi, UTCB_MR1 + STATE_EDI
    mov ecx, 8
    rep movsd
    pop edi
    pop esi
    jmp message_made

.if EXTENSIONS & KIP_BUDGET
; To another one than its scheduler: why, but not its registers.
message_stranger:
    mov dword ptr [edi + UTCB_MR1 + STATE_EIP], 0
    mov dword ptr [edi + UTCB_MR1 + STATE_EFLAGS], 0
    mov [edi + UTCB_MR1 + STATE_VECTOR], eax
    mov [edi + UTCB_MR1 + STATE_ERROR], edx
    mov eax, LABEL_PREEMPTION << LABEL_SHIFT | STATE_EDI / 4
    jmp message_made
.endif

message_interrupt:
    mov eax, LABEL_INTERRUPT << LABEL_SHIFT
    jmp message_made

; The idle thread wants no reply: it runs whenever nobody else does.
message_idle:
    mov dword ptr [ebx + KTCB_KWAIT], 0
    mov dword ptr [ebx + KTCB_STATE], IS_RUNNING
    mov dword ptr [ebx + KTCB_KIND], KIND_USER
    mov eax, LABEL_IDLE << LABEL_SHIFT

; message_made: EAX is the tag; the words are in the receiver's UTCB.
message_made:
    mov [esi + KTCB_ESI], eax
.if EXTENSIONS & KIP_BUDGET
    mov eax, esi
    call budget_begin
.endif
    mov eax, [ebx + KTCB_ID]
    mov [esi + KTCB_EAX], eax
    mov eax, [edi + UTCB_MR1]
    mov [esi + KTCB_EBX], eax
    mov eax, [edi + UTCB_MR2]
    mov [esi + KTCB_EDI], eax
    mov dword ptr [esi + KTCB_WAIT], 0
    mov dword ptr [esi + KTCB_KWAIT], 0
    mov dword ptr [esi + KTCB_STATE], IS_RUNNING
    pop edi
    pop esi
    pop ebx
    ret

; message_reply: the current thread replies to a message of the kernel.
;   in    ESI = EBP = KTCB of the one who replies; EDI = KTCB of the thread that waits for it; EBX = 0
;   out   does not return: ipc_receive, with EBX = EDI if that thread can run now; or ipc_error
.global message_reply
message_reply:
.if EXTENSIONS & KIP_BUDGET
    mov dword ptr [budget_receiver], 0
.endif
    mov eax, [edi + KTCB_KIND]
    jmp dword ptr [message_replies - KIND_PAGE_FAULT * 4 + eax * 4]

; A page fault: what is mapped goes into the thread's space, wherever the pager wants it.
reply_page_fault:
    mov eax, [ebp + KTCB_ESI]
    mov ebx, eax
    and eax, TAG_UNTYPED
    and ebx, TAG_TYPED
    shr ebx, TAG_TYPED_SHIFT
    add ebx, eax                        ; the last message register of the message
    inc eax
    push eax
.Litem:
    mov eax, [esp]
    cmp eax, ebx
    jae .Ldone
    mov edx, [ebp + KTCB_UTCB]
    mov ecx, [edx + eax * 4 + UTCB_MR1]
    mov eax, [edx + eax * 4 + UTCB_MR0]
    mov [message_item], eax
    mov [message_fpage], ecx
    and eax, ITEM_KIND
    cmp eax, ITEM_MAP
    je .Lmap
    cmp eax, ITEM_GRANT
    jne .Lnext
.Lmap:
    mov dword ptr [map_window], FPAGE_COMPLETE | FPAGE_RIGHTS
    mov eax, ebp
    mov edx, edi
    mov ecx, message_item
    call map_item
    jc .Lno_memory
.Lnext:
    add dword ptr [esp], 2
    jmp .Litem
.Ldone:
    add esp, 4
    jmp reply_go
.Lno_memory:
    add esp, 4
    xor ebx, ebx
    mov edx, IPC_OVERFLOW               ; the pager's problem; the thread goes on waiting for it
    jmp ipc_error

; A preemption: its scheduler says how urgent the thread is from now on, and the rest is as behind an exception. Another
; one, who has lent it time, does no more than that.
reply_preemption:
.if EXTENSIONS & KIP_BUDGET
    call budget_reply
    cmp [edi + KTCB_SCHEDULER], ebp
    jne reply_go
.endif
.if EXTENSIONS & KIP_CEILING
    mov eax, [ebp + KTCB_ESI]
    and eax, TAG_UNTYPED
    cmp eax, STATE_WORDS
    jbe reply_state
    mov ecx, [ebp + KTCB_UTCB]
    mov ecx, [ecx + UTCB_MR1 + STATE_MORE]
    mov [edi + KTCB_URGENCY], ecx
.endif

; An exception: the thread goes on, with a new state if there is one. Amid an IPC its registers are that IPC's
; arguments, and stay.
reply_state:
    mov eax, [ebp + KTCB_ESI]
    and eax, TAG_UNTYPED
    cmp eax, STATE_WORDS
    jb reply_go
    cmp dword ptr [edi + KTCB_RESUME], resume_user
    jne reply_go
    mov eax, [ebp + KTCB_UTCB]
    mov ecx, [eax + UTCB_MR1 + STATE_EIP]
    mov [edi + KTCB_EIP], ecx
    mov ecx, [eax + UTCB_MR1 + STATE_EFLAGS]
    and ecx, FLAGS_PROGRAM
    or ecx, FLAGS_USER
    mov [edi + KTCB_EFLAGS], ecx
    mov ecx, [eax + UTCB_MR1 + STATE_ESP]
    mov [edi + KTCB_ESP], ecx
    push esi
    push edi
    lea esi, [eax + UTCB_MR1 + STATE_EDI]
    add edi, KTCB_EDI
    mov ecx, 8
    rep movsd
    pop edi
    pop esi
    jmp reply_go

; A thread that is to start: MR1 is where, MR2 its stack.
reply_start:
    mov eax, [ebp + KTCB_ESI]
    and eax, TAG_UNTYPED
    cmp eax, 2
    jb .Lshort
    mov eax, [ebp + KTCB_EBX]
    mov [edi + KTCB_EIP], eax
    mov eax, [ebp + KTCB_EDI]
    mov [edi + KTCB_ESP], eax
    jmp reply_go
.Lshort:
    mov edx, IPC_OVERFLOW
    jmp ipc_error

; reply_go: the thread can run.
reply_go:
    mov dword ptr [edi + KTCB_KIND], KIND_USER
    mov dword ptr [edi + KTCB_KWAIT], 0
    mov dword ptr [edi + KTCB_STATE], IS_RUNNING
    mov ebx, edi
    jmp ipc_receive

; An interrupt: the line may fire again. Nobody else can run by that.
reply_interrupt:
    mov dword ptr [edi + KTCB_KWAIT], 0
    mov dword ptr [edi + KTCB_STATE], IS_DEAD
    mov eax, edi
    call interrupt_done
    jmp ipc_receive

; message_resend: a thread's scheduler has changed while a preemption message of it is on its way or waits for a reply.
;   in    EAX = KTCB with KIND_PREEMPTION, IS_SENDING, IS_RECEIVING or IS_HALTED
;   out   EAX = KTCB of the new scheduler if it can run now, else 0
.global message_resend
message_resend:
    push ebx
    mov ebx, eax
    call ipc_unlink
    mov edx, [ebx + KTCB_SCHEDULER]
    test edx, edx
    jz .Lnobody
    mov edx, [edx + KTCB_ID]
    mov eax, ebx
    mov ecx, KIND_PREEMPTION
    call message_send
    jnc .Lreturn
.Lnobody:
    mov dword ptr [ebx + KTCB_STATE], IS_HALTED
    xor eax, eax
.Lreturn:
    pop ebx
    ret

; message_orphan: the one goes away whose reply to a message of the kernel a thread waits for, or to whom it waits to send.
;   in    EAX = KTCB with a KTCB_KIND other than KIND_USER, IS_SENDING or IS_RECEIVING
;   out   EAX = KTCB of the thread if it can run now, else 0; EDX = likewise of its partner in a transfer
;
; Who has no scheduler any more waits for a new one (message_resend); who has no pager or handler stops; a transfer fails.
.global message_orphan
message_orphan:
    push ebx
    mov ebx, eax
    call ipc_unlink
    mov dword ptr [ebx + KTCB_STATE], IS_HALTED
    cmp dword ptr [ebx + KTCB_KIND], KIND_PREEMPTION
    je .Lstops
    cmp dword ptr [ebx + KTCB_KIND], KIND_START
    je .Lunborn
    cmp dword ptr [ebx + KTCB_TRANSFER], PART_NONE
    je .Lstops
    mov edx, IPC_FAULT_MINE
    cmp dword ptr [ebx + KTCB_TRANSFER], PART_SENDER
    je .Lresult
    or edx, IPC_RECEIVE_PHASE
.Lresult:
    mov eax, ebx
    call ipc_result_error
    mov eax, ebx
    mov edx, IPC_FAULT_PARTNER
    call transfer_leave
    mov edx, eax
    mov dword ptr [ebx + KTCB_KIND], KIND_USER
    mov dword ptr [ebx + KTCB_STATE], IS_RUNNING
    mov eax, ebx
    pop ebx
    ret
.Lunborn:
    mov dword ptr [ebx + KTCB_STATE], IS_DEAD
.Lstops:
    xor eax, eax
    xor edx, edx
    pop ebx
    ret

.rodata

.align 4
message_makers:                 ; by KTCB_KIND, from KIND_PAGE_FAULT on
    .long message_page_fault
    .long message_exception
    .long message_preemption
    .long message_interrupt
    .long 0                     ; KIND_START sends nothing
    .long message_idle
message_replies:                ; likewise
    .long reply_page_fault
    .long reply_state
    .long reply_preemption
    .long reply_interrupt
    .long reply_start

.bss

.align 4
message_item:                   ; the item at work: its first word,
    .space 4
message_fpage:                  ;   and its second
    .space 4
