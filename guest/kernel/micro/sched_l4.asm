; The scheduling policy of `l4`: priorities, round robin within each, time slices that IPC lends.
;
; Owns the decision who runs next, and sched_owner: whose slice the processor is running on. Whoever comes to a point
; where more or other threads can run calls one of the routines with sched_ names; the other policy is sched_uls.asm.
;
; A decision takes the highest ready thread, and that one owns the slice from then on. There are four occasions: the
; current thread waits and sets nobody going; it gives up its slice; the slice ends; another thread of higher priority
; can run. IPC is none of them, nor is ThreadSwitch to a thread. Who gets the processor by these goes on with the
; rest of the owner's slice, whatever the priorities, and the owner is charged: so long is the donation. The fast path
; knows nothing of all this, and need not: who runs is EBP, who pays is sched_owner, and only a tick compares the two.
;
;     A runs on its slice     A calls B, C calls D ...     slice of A ends           B's turn comes
;     sched_owner = A         sched_owner = A              A has a new slice; B,     sched_owner = B,
;     EBP = A                 EBP = B                      whose own is not over,    with the slice that
;                                                          is first of its queue     it had before
;
; Who has used up a slice goes to the end of its queue with a new one; who is preempted before goes to the front. So a
; thread waits for at most one slice of each of its equals, whatever these lend to each other.

.include "policy_l4.inc"

.equ SLICE_NEW, (SLICE_US * TICK_HZ + 999999) / 1000000     ; ticks of a new thread's slice

.text

; sched_init: nobody is ready; the tick starts.
.global sched_init
sched_init:
    mov eax, idle_ktcb
    mov [sched_owner], eax
    mov dword ptr [eax + KTCB_STATE], IS_RUNNING
    mov dword ptr [eax + KTCB_RESUME], sched_wait
    mov dword ptr [eax + KTCB_ID], IDLE_THREAD << ID_SHIFT | 1
    mov dword ptr [eax + KTCB_SPACE], kernel_directory - KERNEL_BASE
    mov dword ptr [eax + KTCB_UTCB], nil_utcb
    mov dword ptr [eax + POLICY_PRIORITY], -1               ; anybody is higher
    mov dword ptr [eax + POLICY_QUANTUM], NO_END
    call timeout_init
    mov dword ptr [thread_table], nil_ktcb                  ; line 0 is the tick, and has no thread
    xor eax, eax
    jmp line_open

; sched_born: a thread is made.
;   in    EAX = KTCB, all its POLICY_ words 0, EDX = KTCB of its scheduler or 0
.global sched_born
sched_born:
    mov [eax + KTCB_SCHEDULER], edx
    mov ecx, PRIORITY_TOP
    test edx, edx
    jz .Lset
    mov ecx, PRIORITY_NEW
    cmp [edx + POLICY_PRIORITY], ecx
    jae .Lset
    mov ecx, [edx + POLICY_PRIORITY]
.Lset:
    mov [eax + POLICY_PRIORITY], ecx
    mov dword ptr [eax + POLICY_SLICE], SLICE_NEW
    mov dword ptr [eax + POLICY_LEFT], SLICE_NEW
    mov dword ptr [eax + POLICY_QUANTUM], NO_END
    ret

; sched_gone: a thread is being deleted.
;   in    EAX = KTCB
.global sched_gone
sched_gone:
    call timeout_stop
    cmp [sched_owner], eax
    jne sched_stop
    mov dword ptr [sched_owner], idle_ktcb      ; who runs on its slice pays from the next tick on

; sched_stop: a thread that is not the current one can run, and is to stop.
;   in    EAX = KTCB
.global sched_stop
sched_stop:
    cmp dword ptr [eax + POLICY_READY], 0
    jne ready_leave
    ret

; sched_scheduler: a thread has another scheduler. That changes nothing here: priorities stay as they are.
;   in    EAX = KTCB
.global sched_scheduler
sched_scheduler:
    ret

; sched_wake: an interrupt or a timeout has made a thread able to run.
;   in    EAX = KTCB, EBP = the interrupted thread, or idle_ktcb
;   out   EAX = KTCB of who gets the processor
.global sched_wake
sched_wake:
    mov edx, ebp

; sched_lose: two threads can run, and one is to have the processor. It gets it unless the other one is higher.
;   in    EAX = KTCB of the other, EDX = KTCB of the one, neither in a queue
;   out   EAX = KTCB of who gets the processor
.global sched_lose
sched_lose:
    push edx
    mov ecx, [eax + POLICY_PRIORITY]
    cmp ecx, [edx + POLICY_PRIORITY]
    jg .Lhigher
    call sched_queue
    pop eax
    ret
.Lhigher:
    call sched_queue
    pop eax
    call sched_queue

; sched_idle: the current thread waits, and nobody else is to go on.
;   out   EAX = KTCB of who gets the processor: the highest that is ready, on its own slice
.global sched_idle
sched_idle:
    call ready_highest
    mov [sched_owner], eax
    cmp eax, idle_ktcb
    je .Lreturn
    call ready_leave
    cmp dword ptr [eax + POLICY_QUANTUM], 0
    je .Lused_up
.Lreturn:
    ret
    ; It may not run, but tells its scheduler, which then is ready itself if it has waited for that.
.Lused_up:
    call sched_report
    test eax, eax
    jz sched_idle
    call ready_last
    jmp sched_idle

; sched_report: a thread whose quantum is used up tells its scheduler, and waits for the reply. If it has none, it
; stops until it gets another one (message_resend).
;   in    EAX = KTCB, in no queue
;   out   EAX = KTCB of the scheduler if that can run now, else 0
sched_report:
    mov dword ptr [eax + KTCB_REASON], PREEMPTED_QUANTUM
    mov dword ptr [eax + KTCB_PREEMPTER], NIL_THREAD
    push ebx
    mov ebx, eax
    mov edx, [eax + KTCB_SCHEDULER]
    test edx, edx
    jz .Lnobody
    mov edx, [edx + KTCB_ID]
    mov ecx, KIND_PREEMPTION
    call message_send
    jnc .Lreturn
.Lnobody:
    mov dword ptr [ebx + KTCB_KIND], KIND_PREEMPTION
    mov dword ptr [ebx + KTCB_STATE], IS_HALTED
    xor eax, eax
.Lreturn:
    pop ebx
    ret

; sched_queue: a thread that can run queues up: the current one in front, since its slice is not over.
;   in    EAX = KTCB, in no queue; the idle thread is left out
.global sched_queue
sched_queue:
    cmp eax, ebp
    jne ready_last
    cmp eax, idle_ktcb
    jne ready_first
    ret

; sched_charge: the owner of the slice pays for a tick.
;   out   EAX = KTCB of who gets the processor
.global sched_charge
sched_charge:
    mov eax, [sched_owner]
    cmp eax, idle_ktcb
    jne .Lowner
    mov eax, ebp                                ; the owner is gone, or the processor is idle
    mov [sched_owner], eax
.Lowner:
    mov ecx, [eax + POLICY_QUANTUM]
    test ecx, ecx
    js .Lslice                                  ; NO_END
    jz .Lpreempted                              ; it ran on another's slice when that one went
    dec ecx
    mov [eax + POLICY_QUANTUM], ecx
    jz .Lpreempted                              ; sched_idle sees to the rest when its turn comes
.Lslice:
    cmp dword ptr [eax + POLICY_SLICE], 0
    je .Lgoes_on
    dec dword ptr [eax + POLICY_LEFT]
    jnz .Lgoes_on

    ; Its slice is over. It may be current, ready, or have lent the slice and wait.
    mov ecx, [eax + POLICY_SLICE]
    mov [eax + POLICY_LEFT], ecx
    cmp eax, ebp
    je .Lover
    cmp dword ptr [eax + POLICY_READY], 0
    je .Lpreempted
    call ready_leave
    call ready_last
.Lpreempted:
    mov eax, ebp
    call sched_queue
    jmp sched_idle
.Lover:
    call ready_last
    jmp sched_idle
.Lgoes_on:
    mov eax, ebp
    ret

; sched_may_halt: may the current thread execute HLT? Nobody need.
;   out   CF set: no
.global sched_may_halt
sched_may_halt:
    stc
    ret

; sched_wait: the idle thread, its KTCB_RESUME. Interrupts come in behind the instruction that follows STI, so none can
; slip in before HLT; the one that ends it drops what stands on the stack (entry.asm).
sched_wait:
    sti
    hlt
    jmp sched_wait

.bss

.global idle_ktcb, sched_owner

.align KTCB_SIZE
idle_ktcb:                      ; runs when nobody can; no thread has its number
    .space KTCB_SIZE
sched_owner:                    ; KTCB whose slice the processor is running on; idle_ktcb: of nobody
    .space 4
