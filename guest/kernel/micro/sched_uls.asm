; The policy `uls`: user-level scheduling (Stoess, section 3). The kernel has none: no queue, no priority, no slice.
;
; Owns the order in which preemption messages go up the hierarchy of schedulers, and nothing else. One thread can run. Whoever
; could run besides it sends a message to its scheduler and waits for the reply, which grants the processor anew.

.include "micro.inc"

.text

; sched_init: the idle thread exists, to receive nothing and to wait for interrupts.
.global sched_init
sched_init:
    mov dword ptr [idle_ktcb + KTCB_ID], IDLE_THREAD << ID_SHIFT | 1
    mov dword ptr [idle_ktcb + KTCB_STATE], IS_RUNNING
    mov dword ptr [idle_ktcb + KTCB_RESUME], idle_resume
    mov dword ptr [idle_ktcb + KTCB_SPACE], kernel_directory - KERNEL_BASE
    mov dword ptr [idle_ktcb + KTCB_UTCB], nil_utcb
    ret

; sched_born: a thread is made.
;   in    EAX = KTCB, EDX = KTCB of its scheduler, or 0
.global sched_born
sched_born:
    mov [eax + KTCB_SCHEDULER], edx
    xor ecx, ecx
    test edx, edx
    jz .Llevel
    mov ecx, [edx + KTCB_POLICY + ULS_LEVEL]
    inc ecx
.Llevel:
    mov [eax + KTCB_POLICY + ULS_LEVEL], ecx
    ret

; sched_gone: a thread ends. It stands in no queue.
;   in    EAX = KTCB
.global sched_gone
sched_gone:
    ret

; sched_stop: a thread that can run and does not is to be stopped. There is none.
;   in    EAX = KTCB
.global sched_stop
sched_stop:
    ret

; sched_scheduler: a thread has another scheduler, so it and all below it have other levels.
;   in    EAX = KTCB
;
; Levels are made anew for all threads, by counting: this is rare, and reading them is not.
.global sched_scheduler
sched_scheduler:
    push ebx
    mov ebx, FIRST_THREAD
.Lthread:
    mov eax, [thread_table + ebx * 4]
    mov edx, eax
    or ecx, -1
.Labove:
    inc ecx
    mov edx, [edx + KTCB_SCHEDULER]
    test edx, edx
    jnz .Labove
    mov [eax + KTCB_POLICY + ULS_LEVEL], ecx
    inc ebx
    cmp ebx, MAX_THREADS
    jb .Lthread
    pop ebx
    ret

; sched_lose: of two that can run, one does not get the processor. It tells its scheduler, which may set that one going and
; so make two again: then the winner of before goes first, unless the scheduler is above it, too; and the other one loses.
; So the chain ends at the lowest scheduler that both have, or at one that is busy (Stoess, 3.3.2).
;
; A scheduler amid a string to or from the loser would be busy for ever: the loser, which copies it, waits for a reply
; that comes only behind it. So if the other one of a transfer is above the loser, it goes on with it in its place.
;   in    EAX = KTCB of the loser, EDX = KTCB of the winner, ECX = PREEMPTED_ reason
;   out   EAX = KTCB of the one who gets the processor
.global sched_lose
sched_lose:
    push ebx
    push esi
    push edi
    mov ebx, eax                        ; the loser
    mov esi, edx                        ; the winner
    mov edi, ecx
.Lmessage:
    ; The root scheduler has nobody above it: it cannot lose.
    cmp ebx, [root_scheduler]
    jne .Lloses
    xchg ebx, esi
.Lloses:
    cmp dword ptr [ebx + KTCB_TRANSFER], PART_NONE
    jne .Ltransfer
.Lalone:
    cmp dword ptr [ebx + KTCB_HALTED], 0
    jne .Lhalted
.Lasks:
    mov [ebx + KTCB_REASON], edi
    mov eax, [esi + KTCB_ID]
    mov [ebx + KTCB_PREEMPTER], eax
    mov edx, [ebx + KTCB_SCHEDULER]
    EXTENSION KIP_BUDGET, budget_scheduler
    test edx, edx
    jz .Lorphan
    mov eax, ebx
    mov edx, [edx + KTCB_ID]
    mov ecx, KIND_PREEMPTION
    call message_send
    jc .Lorphan
    test eax, eax
    jz .Lreturn                         ; it is busy: the message waits, and one thread can run

    ; The scheduler can run, and so can the winner. Does the one stand above the other?
.Lscheduler:
    mov ebx, eax
    mov edx, esi
    call sched_is_above
    jne .Lmessage
    xchg ebx, esi
    jmp .Lmessage

    ; Amid a transfer: who goes on with it?
.Ltransfer:
    mov eax, [ebx + KTCB_PEER]
    mov edx, ebx
    call sched_is_above
    jne .Lalone
    mov dword ptr [ebx + KTCB_STATE], IS_TRANSFER
    mov dword ptr [ebx + KTCB_RESUME], resume_user
    mov dword ptr [eax + KTCB_STATE], IS_RUNNING
    mov dword ptr [eax + KTCB_RESUME], transfer_continue
    jmp .Lscheduler

    ; It has been stopped: now it stops, or amid an IPC behind that.
.Lhalted:
    cmp dword ptr [ebx + KTCB_RESUME], resume_user
    jne .Lasks
    jmp .Lhalts

    ; Its scheduler went away: it waits for another one (message_resend).
.Lorphan:
    mov dword ptr [ebx + KTCB_KIND], KIND_PREEMPTION
.Lhalts:
    mov dword ptr [ebx + KTCB_STATE], IS_HALTED
.Lreturn:
    mov eax, esi
    pop edi
    pop esi
    pop ebx
    ret

; sched_is_above: is a thread a scheduler of another one, or of its schedulers?
;   in    EAX, EDX = KTCBs
;   out   ZF set: EAX is above EDX; EAX kept
;
; The levels tell most of it: only from a lower level to the next above is there a way to go.
.global sched_is_above
sched_is_above:
    mov ecx, [eax + KTCB_POLICY + ULS_LEVEL]
.Lup:
    cmp ecx, [edx + KTCB_POLICY + ULS_LEVEL]
    jge .Lno
    mov edx, [edx + KTCB_SCHEDULER]
    test edx, edx
    jz .Lno
    cmp edx, eax
    jne .Lup
    ret
.Lno:
    test esp, esp                       ; ZF clear
    ret

; sched_wake: an interrupt has made a thread able to run.
;   in    EAX = its KTCB, EBP = KTCB of the one who was interrupted, or the idle thread
;   out   EAX = KTCB of the one who gets the processor
.global sched_wake
sched_wake:
    cmp ebp, idle_ktcb
    je .Lreturn
    mov edx, eax
    mov eax, ebp
    mov ecx, PREEMPTED_INTERRUPT
    jmp sched_lose
.Lreturn:
    ret

; sched_idle: nobody can run. The root scheduler hears of it if it listens; else the processor waits for an interrupt.
;   out   EAX = KTCB of the root scheduler or the idle thread
.global sched_idle
sched_idle:
    mov eax, [root_scheduler]
    cmp dword ptr [eax + KTCB_KIND], KIND_USER
    jne .Lidle
    mov edx, [idle_ktcb + KTCB_ID]
    call ipc_takes
    jne .Lidle
    mov dword ptr [idle_ktcb + KTCB_KIND], KIND_IDLE
    mov edx, eax
    push eax
    mov eax, idle_ktcb
    call message_deliver
    pop eax
    ret
.Lidle:
    mov eax, idle_ktcb
    ret

; idle_resume: the KTCB_RESUME of the idle thread. What an interrupt finds here is dropped (entry.asm).
idle_resume:
    mov esp, kernel_stack_top
    sti
    hlt
    jmp idle_resume

; sched_may_halt: may the current thread execute HLT? The root scheduler may, and nobody else.
;   in    EBP
;   out   CF set: no
.global sched_may_halt
sched_may_halt:
    cmp ebp, [root_scheduler]
    je .Lreturn                         ; CF clear
    stc
.Lreturn:
    ret

; sched_interrupt: is this line the policy's own? None is.
;   in    EAX = line
;   out   CF clear
.global sched_interrupt
sched_interrupt:
    clc
    ret

; timeout_start: a finite timeout begins. There are none: it counts as one of zero.
;   in    EAX = KTCB, EDX = timeout
;   out   CF set
.global timeout_start
timeout_start:
    stc
    ret

; timeout_stop: the wait is over.
;   in    EAX = KTCB
.global timeout_stop
timeout_stop:
    ret

; sys_thread_switch: the caller does not want the processor. It tells its scheduler.
.global sys_thread_switch
sys_thread_switch:
    cmp ebp, [root_scheduler]
    je resume
    mov eax, ebp
    mov ecx, PREEMPTED_SWITCH
    mov edx, NIL_THREAD

; sched_ask: a thread that could run tells its scheduler instead, and nobody else can run.
;   in    EAX = KTCB, ECX = PREEMPTED_ reason, EDX = identifier for KTCB_PREEMPTER
;   out   does not return
.global sched_ask
sched_ask:
    mov ebx, eax
    mov [ebx + KTCB_REASON], ecx
    mov [ebx + KTCB_PREEMPTER], edx
    mov edx, [ebx + KTCB_SCHEDULER]
    EXTENSION KIP_BUDGET, budget_scheduler
    test edx, edx
    jz .Lorphan
    mov edx, [edx + KTCB_ID]
    mov eax, ebx
    mov ecx, KIND_PREEMPTION
    call message_send
    jc .Lorphan
    test eax, eax
    jnz run
    call sched_idle
    jmp run
.Lorphan:
    mov dword ptr [ebx + KTCB_KIND], KIND_PREEMPTION
    mov dword ptr [ebx + KTCB_STATE], IS_HALTED
    call sched_idle
    jmp run

; sys_schedule, sys_clock: there is nothing to set, and no time.
.global sys_schedule, sys_clock
sys_schedule:
sys_clock:
    mov eax, CALL_PARAMETER
    jmp call_fail

.bss

.global idle_ktcb

.align 64
idle_ktcb:                      ; the idle thread: no program, no scheduler, no priority
    .space KTCB_SIZE
