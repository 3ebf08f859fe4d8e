; The system calls of scheduling in `l4`: ThreadSwitch and Schedule.
;
; Owns the checks of what programs may change; calls.asm dispatches to here.

.include "policy_l4.inc"

.text

; sys_thread_switch: gives the rest of the slice to a ready thread; or, if there is no such, gives it up.
;   in    EBP; its frame: EBX = thread or NIL_THREAD
;   out   does not return; no register of the program changes
.global sys_thread_switch
sys_thread_switch:
    mov eax, [ebp + KTCB_EBX]
    call thread_find
    jc .Lyield
    cmp dword ptr [eax + POLICY_READY], 0
    je .Lyield

    ; A donation, no decision: the thread runs, whatever its priority.
    call ready_leave
    push eax
    mov eax, ebp
    call ready_first
    pop eax
    jmp run

    ; Its equals run first, and it begins a new slice when its turn comes.
.Lyield:
    mov eax, ebp
    mov ecx, [eax + POLICY_SLICE]
    mov [eax + POLICY_LEFT], ecx
    call ready_last
    call sched_idle
    jmp run

; sys_schedule: looks at and changes a thread's slice, quantum and priority.
;   in    EBP; its frame: EBX = thread, ECX = slice, EDX = quantum, ESI = priority
;   out   does not return; the frame's EAX = SCHEDULE_ state, ECX, EDX = what was left of slice and quantum
;
; No thread gets above the caller, which is the current one: so nothing that changes here can take the processor away.
.global sys_schedule
sys_schedule:
    mov eax, [ebp + KTCB_EBX]
    call thread_known
    jc .Lthread
    mov ebx, eax
    cmp [ebx + KTCB_SCHEDULER], ebp
    jne .Lprivilege
    cmp dword ptr [ebp + KTCB_ECX], -1
    jl .Lparameter
    cmp dword ptr [ebp + KTCB_EDX], -1
    jl .Lparameter
    mov eax, [ebp + KTCB_ESI]
    cmp eax, -1
    je .Lgood
    cmp eax, PRIORITY_TOP
    ja .Lparameter
    cmp eax, [ebp + POLICY_PRIORITY]
    ja .Lprivilege
.Lgood:
    ; ---- All is checked: nothing fails from here on. ----
    mov ecx, [ebp + KTCB_ECX]
    mov edx, [ebp + KTCB_EDX]

    ; What it is doing, and what is left.
    mov eax, [ebx + KTCB_STATE]
    mov eax, [schedule_states + eax * 4]
    cmp dword ptr [ebx + KTCB_TRANSFER], PART_SENDER
    jne .Lstate
    mov eax, SCHEDULE_SENDING
.Lstate:
    mov [ebp + KTCB_EAX], eax
    mov eax, [ebx + POLICY_QUANTUM]
    mov [ebp + KTCB_EDX], eax
    mov eax, [ebx + POLICY_LEFT]
    cmp dword ptr [ebx + POLICY_SLICE], 0
    jne .Lleft
    mov eax, NO_END
.Lleft:
    mov [ebp + KTCB_ECX], eax

    ; Slice and quantum.
    test ecx, ecx
    js .Lquantum
    mov [ebx + POLICY_SLICE], ecx
    mov [ebx + POLICY_LEFT], ecx
.Lquantum:
    test edx, edx
    js .Lpriority
    jnz .Lfinite
    mov edx, NO_END
.Lfinite:
    mov [ebx + POLICY_QUANTUM], edx

    ; The priority: a ready thread changes queues.
.Lpriority:
    mov esi, [ebp + KTCB_ESI]
    test esi, esi
    js .Ldone
    mov eax, ebx
    cmp dword ptr [eax + POLICY_READY], 0
    je .Lset
    call ready_leave
    mov [eax + POLICY_PRIORITY], esi
    call ready_last
    jmp resume
.Lset:
    mov [eax + POLICY_PRIORITY], esi
.Ldone:
    jmp resume
.Lthread:
    mov eax, CALL_THREAD
    jmp call_fail
.Lprivilege:
    mov eax, CALL_PRIVILEGE
    jmp call_fail
.Lparameter:
    mov eax, CALL_PARAMETER
    jmp call_fail

.rodata

.align 4
schedule_states:                ; by MicroState
    .long SCHEDULE_DEAD         ; IS_DEAD
    .long SCHEDULE_RUNNING      ; IS_RUNNING
    .long SCHEDULE_SENDING      ; IS_SENDING
    .long SCHEDULE_RECEIVING    ; IS_RECEIVING
    .long SCHEDULE_RECEIVING    ; IS_TRANSFER, unless it is the sender
    .long SCHEDULE_HALTED       ; IS_HALTED
