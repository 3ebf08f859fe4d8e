; ExchangeRegisters: a thread looks at another one of its space, changes it, stops it, sets it going, ends its IPC.
;
; Owns KTCB_HALTED. A thread that is to stop while it waits for something goes on waiting, and stops when it would get the
; processor (`resume`). A stopped one that receives must not be set going by the fast path, which does not look; nor one
; whose EIP or flags have been set, which SYSEXIT would not bring. So these wait in KTCB_KWAIT.

.include "micro.inc"

.equ EXREG_CANCEL, EXREG_CANCEL_RECEIVE | EXREG_CANCEL_SEND
.equ EXREG_STATE, EXREG_SP | EXREG_IP | EXREG_FLAGS
.equ EXREG_ALL, EXREG_HALT | EXREG_CANCEL | EXREG_STATE | EXREG_SET_HALT | EXREG_GRANT | EXREG_TOKEN

.text

; sys_exchange_registers: a thread of the caller's own space, perhaps the caller.
;   in    EBP; its frame: EBX = thread, ECX = control, EDX = SP or token, ESI = IP, EDI = flags
;   out   does not return; the frame's EAX = thread, ECX = EXREG_WAS_ bits, EDX, ESI, EDI = SP, IP, flags before
;
; Throughout, EDI is the thread, ESI the control, and EBX who goes on in the end (contend).
.global sys_exchange_registers
sys_exchange_registers:
    mov eax, [ebp + KTCB_EBX]
    call thread_find
    jc .Lthread
    mov edi, eax
    mov eax, [edi + KTCB_SPACE]
    cmp [ebp + KTCB_SPACE], eax
    jne .Lthread
    mov esi, [ebp + KTCB_ECX]
    test esi, ~EXREG_ALL
    jnz .Lparameter
    mov eax, esi
    and eax, EXREG_TOKEN | EXREG_SP
    cmp eax, EXREG_TOKEN | EXREG_SP
    je .Lparameter
; -- checked: from here on nothing can fail --
    ; With a token: is it still the IPC that is meant?
    test esi, EXREG_TOKEN
    jz .Lmeant
    mov eax, [edi + KTCB_UTCB]
    mov eax, [eax + UTCB_TOKEN]
    cmp [ebp + KTCB_EDX], eax
    je .Lmeant
    and esi, ~EXREG_CANCEL
.Lmeant:
    call exregs_was
    mov [ebp + KTCB_ECX], eax
    call exregs_state

    ; May the caller go on itself? The one that this call sets going loses, or with EXREG_GRANT the caller.
    mov eax, [ebp + KTCB_EBX]
    mov [ebp + KTCB_EAX], eax
    mov ebx, ebp
    test esi, EXREG_SET_HALT
    jz .Lcancel
    test esi, EXREG_HALT
    jz .Lgo
    call exregs_halt
    jmp .Lcancel
.Lgo:
    call exregs_go
.Lcancel:
    call exregs_cancel
    mov eax, ebx
    cmp eax, ebp
    jne run
    jmp resume
.Lthread:
    mov eax, CALL_THREAD
    jmp call_fail
.Lparameter:
    mov eax, CALL_PARAMETER
    jmp call_fail

; exregs_was: what is the thread doing?
;   in    EDI
;   out   EAX = EXREG_WAS_ bits
;
; A preempted thread that has no scheduler is IS_HALTED, too, but not stopped.
exregs_was:
    xor eax, eax
    cmp dword ptr [edi + KTCB_HALTED], 0
    jne .Lhalted
    cmp dword ptr [edi + KTCB_STATE], IS_HALTED
    jne .Lipc
    cmp dword ptr [edi + KTCB_KIND], KIND_PREEMPTION
    je .Lipc
.Lhalted:
    or eax, EXREG_WAS_HALTED
.Lipc:
    mov edx, [edi + KTCB_TRANSFER]
    cmp edx, PART_SENDER
    je .Lsending
    cmp edx, PART_RECEIVER
    je .Lreceiving
    cmp dword ptr [edi + KTCB_KIND], KIND_USER
    jne .Lreturn
    mov edx, [edi + KTCB_STATE]
    cmp edx, IS_SENDING
    je .Lsending
    cmp edx, IS_RECEIVING
    je .Lreceiving
.Lreturn:
    ret
.Lsending:
    or eax, EXREG_WAS_SENDING
    ret
.Lreceiving:
    or eax, EXREG_WAS_RECEIVING
    ret

; exregs_state: exchanges stack pointer, instruction pointer and flags, each if it is to be set.
;   in    EBP, EDI, ESI
exregs_state:
    mov eax, [edi + KTCB_ESP]
    xchg eax, [ebp + KTCB_EDX]
    test esi, EXREG_SP
    jz .Lip
    mov [edi + KTCB_ESP], eax
.Lip:
    mov eax, [edi + KTCB_EIP]
    xchg eax, [ebp + KTCB_ESI]
    test esi, EXREG_IP
    jz .Lflags
    mov [edi + KTCB_EIP], eax
.Lflags:
    mov eax, [edi + KTCB_EFLAGS]
    xchg eax, [ebp + KTCB_EDI]
    test esi, EXREG_FLAGS
    jz .Lreturn
    and eax, FLAGS_PROGRAM
    or eax, FLAGS_USER
    mov [edi + KTCB_EFLAGS], eax
.Lreturn:
    test esi, EXREG_IP | EXREG_FLAGS
    jnz exregs_long_way         ; the fast path may leave by SYSEXIT: to KIP_RETURN, and with any flags
    ret

; exregs_halt: the thread stops: now, if it could run, else when it could.
;   in    EDI, EBP
exregs_halt:
    mov dword ptr [edi + KTCB_HALTED], 1
    cmp edi, ebp
    je .Lreturn                 ; `resume` stops the caller itself
    cmp dword ptr [edi + KTCB_STATE], IS_RUNNING
    jne exregs_long_way
    cmp dword ptr [edi + KTCB_RESUME], resume_user
    jne .Lreturn                ; amid an IPC, whose partner is not to suffer
    mov eax, edi
    call sched_stop
    mov dword ptr [edi + KTCB_STATE], IS_HALTED
.Lreturn:
    ret

; exregs_long_way: what the thread waits for, if it does, comes off the fast path, which does not look at everything.
;   in    EDI
exregs_long_way:
    cmp dword ptr [edi + KTCB_STATE], IS_RECEIVING
    jne .Lreturn
    mov eax, [edi + KTCB_WAIT]
    or [edi + KTCB_KWAIT], eax  ; one of the two is 0
    mov dword ptr [edi + KTCB_WAIT], 0
.Lreturn:
    ret

; exregs_go: the thread goes on, if it has been stopped.
;   in    EDI, ESI, EBX
;   out   EBX
exregs_go:
    mov dword ptr [edi + KTCB_HALTED], 0
    cmp dword ptr [edi + KTCB_STATE], IS_HALTED
    jne .Lreturn
    cmp dword ptr [edi + KTCB_KIND], KIND_PREEMPTION
    jne exregs_runs
.Lreturn:
    ret

; exregs_cancel: ends the thread's own IPC, if that is asked for.
;   in    EDI, ESI, EBX
;   out   EBX
exregs_cancel:
    call exregs_was
    mov edx, IPC_CANCELED
    test eax, EXREG_WAS_SENDING
    jnz .Lsend
    test eax, EXREG_WAS_RECEIVING
    jz .Lreturn
    or edx, IPC_RECEIVE_PHASE
    test esi, EXREG_CANCEL_RECEIVE
    jz .Lreturn
    jmp .Lends
.Lsend:
    test esi, EXREG_CANCEL_SEND
    jz .Lreturn
.Lends:
    cmp dword ptr [edi + KTCB_TRANSFER], PART_NONE
    jne .Ltransfer
    LOAN_OVER budget_revoke
    mov eax, edi
    call ipc_fail
    jmp exregs_runs

    ; Amid a transfer the other one's IPC ends, too.
.Ltransfer:
    and edx, IPC_RECEIVE_PHASE
    or edx, IPC_ABORTED
    mov eax, edi
    call ipc_result_error
    mov eax, edi
    mov edx, IPC_ABORTED
    call transfer_leave
    call contend
    cmp dword ptr [edi + KTCB_STATE], IS_RUNNING
    je .Lreturn
    cmp dword ptr [edi + KTCB_KIND], KIND_PREEMPTION
    je .Lreturn
    mov eax, edi
    call ipc_unlink             ; from its pager, if it asks
    mov dword ptr [edi + KTCB_KIND], KIND_USER
    jmp exregs_runs
.Lreturn:
    ret

; exregs_runs: the thread can run. Either it or who goes on so far loses.
;   in    EDI, ESI, EBX
;   out   EBX
exregs_runs:
    mov dword ptr [edi + KTCB_KIND], KIND_USER
    mov dword ptr [edi + KTCB_STATE], IS_RUNNING
    mov eax, edi
    cmp dword ptr [edi + KTCB_HALTED], 0
    jne contend                 ; it has none to lose
    test esi, EXREG_GRANT
    jz contend
    EXTENSION KIP_CEILING, ceiling_check, contend
    xchg eax, ebx
    jmp contend
