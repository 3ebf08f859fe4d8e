; IPC: the whole of it. A send phase, a receive phase, and who has the processor behind them.
;
; Owns the states IS_SENDING and IS_RECEIVING and the rings of senders. The gates (ipc_fast.asm) come here with what is
; not for the fast path. Transfers of messages are transfer.asm's, messages of the kernel message.asm's.
;
; Throughout, EBX is the partner whom the send phase has set going (0: none, or it cannot run), and the caller is EBP. At
; the end up to three threads can run: the caller, that partner, and a sender whose message the caller has just received.
; ipc_both gives one of them the processor, the caller's TAG_GRANT deciding; the others lose it (sched_lose).
;
;     ipc --> send phase --> ipc_receive --> ipc_both       the caller can run
;               |                |      \--> ipc_blocked    it waits, the partner goes on in its place
;               |                \---------> transfer       from a thread that waits to send
;               \--------------------------> transfer       to a thread that waits to receive

.include "micro.inc"

.text

; ipc: an IPC of the current thread.
;   in    its frame: EAX = to, EDX = from, ECX = timeouts, ESI, EBX, EDI = MR0 to MR2
;   out   does not return
.global ipc
ipc:
    mov dword ptr [ebp + KTCB_KIND], KIND_USER
    mov eax, [ebp + KTCB_ESI]
    and eax, TAG_GRANT
    mov [ebp + KTCB_GRANT], eax
    xor ebx, ebx
    mov eax, [ebp + KTCB_EAX]
    test eax, eax
    jz ipc_receive

    ; No message is longer than the message registers.
    mov ecx, [ebp + KTCB_ESI]
    mov edx, ecx
    and ecx, TAG_UNTYPED
    and edx, TAG_TYPED
    shr edx, TAG_TYPED_SHIFT
    add ecx, edx
    cmp ecx, MR_COUNT
    jae .Lmalformed

    ; The whole of it into the UTCB, where transfers look for it.
    mov edx, [ebp + KTCB_UTCB]
    mov ecx, [ebp + KTCB_EBX]
    mov [edx + UTCB_MR1], ecx
    mov ecx, [ebp + KTCB_EDI]
    mov [edx + UTCB_MR2], ecx

    ; Does the partner take it?
    call thread_find
    jc .Lno_partner
    cmp eax, ebp
    je .Lno_partner
    mov esi, eax
    mov edx, [ebp + KTCB_ID]
    call ipc_takes
    jnz .Lwait
    mov edi, esi
    mov esi, ebp
    jmp transfer

    ; Not now: wait, as long as the caller wants. Nobody has been set going.
.Lwait:
    mov eax, ebp
    mov edx, esi
    call senders_add
    mov edx, [ebp + KTCB_ECX]
    shr edx, TIMEOUT_SEND_SHIFT
    jz .Lblocked                    ; TIMEOUT_NEVER
    cmp edx, TIMEOUT_ZERO
    je .Ltimeout
    mov eax, ebp
    call timeout_start
    jnc .Lblocked
.Ltimeout:
    mov eax, ebp
    call senders_remove
    mov edx, IPC_TIMEOUT
    jmp ipc_error
.Lblocked:
    call sched_idle
    jmp run
.Lno_partner:
    mov edx, IPC_NO_PARTNER
    jmp ipc_error
.Lmalformed:
    mov edx, IPC_OVERFLOW
    jmp ipc_error

; ipc_receive: the receive phase of the current thread.
;   in    EBX; the frame's EDX = from, ECX = timeouts
;   out   does not return
.global ipc_receive
ipc_receive:
    mov eax, [ebp + KTCB_EDX]
    test eax, eax
    jz .Lsent
    cmp eax, ANY_THREAD
    jne .Lone
    mov esi, [ebp + KTCB_SENDERS]   ; the one who has waited longest
    test esi, esi
    jnz .Lpending
    jmp .Lwait
.Lone:
    call thread_find
    jc .Lno_partner
    cmp eax, ebp
    je .Lno_partner
    cmp dword ptr [eax + KTCB_STATE], IS_SENDING
    jne .Lwait
    cmp [eax + KTCB_PARTNER], ebp
    jne .Lwait
    mov esi, eax

    ; ESI waits to send to us. Strings and maps may take long: then the partner's turn is decided first.
.Lpending:
    cmp dword ptr [esi + KTCB_KIND], KIND_USER
    jne .Lkernel
    test ebx, ebx
    jz .Lfetch
    test dword ptr [esi + KTCB_ESI], TAG_TYPED
    jz .Lfetch
    mov dword ptr [ebp + KTCB_RESUME], ipc_continue
    xor edi, edi
    jmp ipc_both
.Lfetch:
    mov eax, esi
    call senders_remove
    mov edi, ebp
    jmp transfer
.Lkernel:
    mov eax, esi
    call senders_remove
    mov eax, esi
    mov edx, ebp
    call message_deliver
    xor edi, edi
    jmp ipc_both

    ; Nobody: wait. A thread that must not be answered on the fast path waits in KTCB_KWAIT.
.Lwait:
    movzx edx, word ptr [ebp + KTCB_ECX]
    cmp edx, TIMEOUT_ZERO
    je .Ltimeout
    test edx, edx                   ; TIMEOUT_NEVER
    jnz .Lfinite
    mov eax, ebp
    mov edx, [ebp + KTCB_EDX]
    call ipc_wait
    jmp ipc_blocked
.Lfinite:
    mov dword ptr [ebp + KTCB_STATE], IS_RECEIVING
    mov eax, [ebp + KTCB_EDX]
    mov [ebp + KTCB_KWAIT], eax     ; off the fast path, which knows no timeouts
    mov eax, ebp
    call timeout_start
    jnc ipc_blocked
    mov dword ptr [ebp + KTCB_KWAIT], 0
.Ltimeout:
    mov edx, IPC_TIMEOUT | IPC_RECEIVE_PHASE
    jmp ipc_error
.Lno_partner:
    mov edx, IPC_NO_PARTNER | IPC_RECEIVE_PHASE
    jmp ipc_error

    ; Nothing to receive: that was all.
.Lsent:
    mov [ebp + KTCB_EAX], eax
    mov [ebp + KTCB_ESI], eax
    xor edi, edi
    jmp ipc_both

; ipc_continue: a sender whose message has been fetched gets the processor and begins its receive phase. It is the
; KTCB_RESUME of such a thread if somebody waits to send to it.
;   in    EBP = KTCB
;   out   does not return
.global ipc_continue
ipc_continue:
    mov dword ptr [ebp + KTCB_RESUME], resume_user
    xor ebx, ebx
    jmp ipc_receive

; ipc_error: the current thread's IPC fails.
;   in    EDX = IPC_ code, EBX
;   out   does not return
.global ipc_error
ipc_error:
    mov eax, ebp
    call ipc_result_error
    xor edi, edi

; ipc_both: the current thread can run. Who does?
;   in    EBX; EDI = KTCB of a sender that can run since the current thread has its message, or 0
;   out   does not return
;
; With TAG_GRANT it is the partner: the receiver of the caller's message, or else that sender. The others lose.
.global ipc_both
ipc_both:
    mov dword ptr [ebp + KTCB_STATE], IS_RUNNING
    mov eax, ebx
    or eax, edi
    jz resume                       ; nobody else
    mov esi, ebp                    ; the winner
    test ebx, ebx
    jz .Lsender
    mov eax, ebx
    cmp dword ptr [ebp + KTCB_GRANT], 0
    je .Lretain
    EXTENSION KIP_CEILING, ceiling_check, .Lretain
    mov edx, eax
    mov eax, ebp
    jmp .Lpartner
.Lretain:
    mov edx, ebp
.Lpartner:
    mov ecx, PREEMPTED_CHOICE
    call sched_lose
    mov esi, eax
.Lsender:
    test edi, edi
    jz .Lchosen
    mov eax, edi
    test ebx, ebx
    jnz .Lloses
    cmp dword ptr [ebp + KTCB_GRANT], 0
    je .Lloses
    EXTENSION KIP_CEILING, ceiling_check, .Lloses
    mov edx, eax
    mov eax, esi
    jmp .Llost
.Lloses:
    mov edx, esi
.Llost:
    mov ecx, PREEMPTED_CHOICE
    call sched_lose
    mov esi, eax
.Lchosen:
    mov eax, esi
    jmp run

; ipc_blocked: the current thread waits. The partner goes on in its place, on its time.
;   in    EBX
;   out   does not return
.global ipc_blocked
ipc_blocked:
    mov eax, ebx

; ipc_give: the same of a thread that waits for an answer of another one.
;   in    EAX = KTCB of that one, or 0 if it cannot run
;   out   does not return
.global ipc_give
ipc_give:
    test eax, eax
    jz .Lidle
    EXTENSION KIP_BUDGET, budget_give
    EXTENSION KIP_CEILING, ceiling_check, ceiling_refuse
    DONATED
    jmp run
.Lidle:
    call sched_idle
    jmp run

; ipc_takes: does a thread wait for a message of another one?
;   in    EAX = KTCB, EDX = identifier of the other
;   out   ZF set: yes; EAX, EDX kept
.global ipc_takes
ipc_takes:
    mov ecx, [eax + KTCB_WAIT]
    or ecx, [eax + KTCB_KWAIT]      ; one of the two is 0
    cmp ecx, edx
    je .Lreturn
    cmp ecx, ANY_THREAD
.Lreturn:
    ret

; ipc_sender_goes_on: a thread that is not the current one has sent its message; its receive phase begins.
;   in    EAX = KTCB
;   out   EAX = KTCB if it can run, else 0
;
; It receives here only if that means waiting. If there is something to receive, it must have the processor for that: so
; a chain of nested IPC ends here, and the one who called goes on first (Stoess, 3.3.1).
.global ipc_sender_goes_on
ipc_sender_goes_on:
    push ebx
    mov ebx, eax
    mov dword ptr [ebx + KTCB_STATE], IS_RUNNING
    mov eax, [ebx + KTCB_EDX]
    test eax, eax
    jz .Lsent
    cmp word ptr [ebx + KTCB_ECX], TIMEOUT_NEVER
    jne .Lbegin
    cmp eax, ANY_THREAD
    jne .Lone
    cmp dword ptr [ebx + KTCB_SENDERS], 0
    jne .Lbegin
    jmp .Lwait
.Lone:
    call thread_find
    jc .Lbegin
    cmp eax, ebx
    je .Lbegin
    cmp dword ptr [eax + KTCB_STATE], IS_SENDING
    jne .Lwait
    cmp [eax + KTCB_PARTNER], ebx
    je .Lbegin
.Lwait:
    mov eax, ebx
    mov edx, [ebx + KTCB_EDX]
    call ipc_wait
    xor eax, eax
    pop ebx
    ret
.Lbegin:
    mov dword ptr [ebx + KTCB_RESUME], ipc_continue
    mov eax, ebx
    pop ebx
    ret
.Lsent:
    mov [ebx + KTCB_EAX], eax
    mov [ebx + KTCB_ESI], eax
    mov eax, ebx
    pop ebx
    ret

; ipc_wait: a thread waits to receive, without end.
;   in    EAX = KTCB, EDX = from whom
;
; One that is to halt must not be set going by the fast path, so its wait does not show there.
ipc_wait:
    mov dword ptr [eax + KTCB_STATE], IS_RECEIVING
    cmp dword ptr [eax + KTCB_HALTED], 0
    jne .Loff
    mov [eax + KTCB_WAIT], edx
    ret
.Loff:
    mov [eax + KTCB_KWAIT], edx
    ret

; ipc_fail: a thread's own IPC ends with an error, and it can run.
;   in    EAX = KTCB, IS_SENDING or IS_RECEIVING with KIND_USER; EDX = IPC_ code
;   out   it is in no queue, IS_RUNNING, and not disposed of
.global ipc_fail
ipc_fail:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    call ipc_unlink
    mov eax, ebx
    mov edx, esi
    call ipc_result_error
    mov dword ptr [ebx + KTCB_STATE], IS_RUNNING
    pop esi
    pop ebx
    ret

; ipc_unlink: takes a thread out of whatever it waits in. Its state is the caller's to set.
;   in    EAX = KTCB
.global ipc_unlink
ipc_unlink:
    push ebx
    mov ebx, eax
    call timeout_stop
    cmp dword ptr [ebx + KTCB_STATE], IS_SENDING
    jne .Lreceiver
    mov eax, ebx
    call senders_remove
.Lreceiver:
    mov dword ptr [ebx + KTCB_WAIT], 0
    mov dword ptr [ebx + KTCB_KWAIT], 0
    pop ebx
    ret

; ipc_result_error: writes an error into a thread's frame and UTCB.
;   in    EAX = KTCB, EDX = IPC_ code
.global ipc_result_error
ipc_result_error:
    mov ecx, [eax + KTCB_UTCB]
    mov [ecx + UTCB_ERROR], edx
    mov dword ptr [eax + KTCB_ESI], TAG_ERROR
    mov dword ptr [eax + KTCB_EAX], NIL_THREAD
    ret

; senders_add: a thread waits to send to another one, behind all that do already.
;   in    EAX = KTCB of the sender, EDX = KTCB of the receiver
;
;     receiver: KTCB_SENDERS -> the first <-> the second <-> ... <-> the last <-> the first
.global senders_add
senders_add:
    mov dword ptr [eax + KTCB_STATE], IS_SENDING
    mov [eax + KTCB_PARTNER], edx
    BACKLOG inc, edx, ecx
    mov ecx, [edx + KTCB_SENDERS]
    test ecx, ecx
    jz .Lfirst
    mov edx, [ecx + KTCB_PREV]
    mov [eax + KTCB_NEXT], ecx
    mov [eax + KTCB_PREV], edx
    mov [edx + KTCB_NEXT], eax
    mov [ecx + KTCB_PREV], eax
    ret
.Lfirst:
    mov [eax + KTCB_NEXT], eax
    mov [eax + KTCB_PREV], eax
    mov [edx + KTCB_SENDERS], eax
    ret

; senders_remove: a thread does not wait to send any more. Its state is the caller's to set.
;   in    EAX = KTCB, IS_SENDING
.global senders_remove
senders_remove:
    push ebx
    mov ebx, [eax + KTCB_PARTNER]
    BACKLOG dec, ebx, ecx
    mov edx, [eax + KTCB_NEXT]
    mov ecx, [eax + KTCB_PREV]
    cmp edx, eax
    je .Lonly
    mov [ecx + KTCB_NEXT], edx
    mov [edx + KTCB_PREV], ecx
    cmp [ebx + KTCB_SENDERS], eax
    jne .Lreturn
    mov [ebx + KTCB_SENDERS], edx
    jmp .Lreturn
.Lonly:
    mov dword ptr [ebx + KTCB_SENDERS], 0
.Lreturn:
    mov dword ptr [eax + KTCB_PARTNER], 0
    mov dword ptr [eax + KTCB_STATE], IS_RUNNING
    pop ebx
    ret
