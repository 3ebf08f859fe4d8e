; Budgets: a timer upcall for a program that computes for too long, beyond the paper.
;
; Owns how long a VP has run since it was last told anything. It is charged at the tick, with the cycles since the tick
; before or since its budget began: so what it has run between ticks that find somebody else is not charged.

.include "activations.inc"

.text

; sys_sa_timer: a budget; see syscall.asm for what a system call may rely on.
;   in    EBX = cycles, 0: none
;   out   EAX = 0 or an error
.global sys_sa_timer
sys_sa_timer:
    mov esi, ebx
    CURRENT ebx
    mov ebx, [ebx + ACT_VP]
    mov eax, ERR_ACTIVATION
    test ebx, ebx
    jz .Lreturn
    test esi, esi
    jz .Lset
    mov eax, ERR_ARGUMENT
    SETTINGS edx
    cmp dword ptr [edx + SA_INIT_TIMER], 0
    je .Lreturn
    test dword ptr [cpu_features], CPUID_TSC
    jz .Lreturn
    mov dword ptr [budgets], 1
.Lset:
    mov [ebx + VP_BUDGET], esi
    call upcall_budget
    xor eax, eax
.Lreturn:
    ret

; upcall_budget: a VP's budget begins anew.
;   in    EBX = VP
;   out   EAX kept
.global upcall_budget
upcall_budget:
    mov dword ptr [ebx + VP_DUE], 0
    mov dword ptr [ebx + VP_SPENT], 0
    cmp dword ptr [budgets], 0
    je .Lreturn
    push eax
    rdtsc
    mov [ebx + VP_SINCE], eax
    pop eax
.Lreturn:
    ret

; activation_tick: a tick has passed: charges the VP that runs.
.global activation_tick
activation_tick:
    cmp dword ptr [budgets], 0
    je .Lreturn
    push ebx
    rdtsc
    mov ecx, eax                ; now
    xchg eax, [budget_tick]
    CURRENT edx
    mov ebx, [edx + ACT_VP]
    test ebx, ebx
    jz .Lcharged
    cmp dword ptr [ebx + VP_BUDGET], 0
    je .Lcharged

    ; The shorter of both times.
    sub eax, ecx
    neg eax
    sub ecx, [ebx + VP_SINCE]
    cmp eax, ecx
    jbe .Lcharge
    mov eax, ecx
.Lcharge:
    add [ebx + VP_SPENT], eax
    jc .Ldue
    mov eax, [ebx + VP_SPENT]
    cmp eax, [ebx + VP_BUDGET]
    jb .Lcharged
.Ldue:
    mov dword ptr [ebx + VP_DUE], 1
    or dword ptr [edx + ACT_WORK], WORK_UPCALL
.Lcharged:
    pop ebx
.Lreturn:
    ret

.bss

.align 4
budgets:                        ; not 0: somebody has had a budget, so ticks are timed
    .space 4
budget_tick:                    ; RDTSC at the last tick, modulo 2^32
    .space 4
