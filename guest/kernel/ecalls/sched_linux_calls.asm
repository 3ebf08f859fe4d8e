; What programs set and learn of the Linux-like scheduler.

.include "ecalls.inc"

.text

; sys_sched_set: see syscall.asm for what a system call may rely on.
;   in    EBX = process, ESI = SCHED_ policy, EDI = real-time priority, or nice
;   out   EAX = 0, or an error
.global sys_sched_set
sys_sched_set:
    mov eax, ebx
    call process_find
    jc .Lno_process
    mov ebx, eax
    test esi, esi
    jz .Lother
    cmp esi, SCHED_RR
    ja .Lno
    mov edx, edi
    dec edx
    cmp edx, RT_PRIORITY_MAX
    jae .Lno
    add edi, GOODNESS_REAL_TIME
    mov edx, RR_TICKS
    jmp .Lset
.Lother:
    cmp edi, NICE_MIN
    jl .Lno
    cmp edi, NICE_MAX
    jg .Lno
    mov [ebx + PCB_LINUX + LINUX_NICE], edi
    mov eax, -NICE_MIN          ; from twice DEF_PRIORITY down to one tick
    sub eax, edi
    imul eax, eax, DEF_PRIORITY
    xor edx, edx
    mov ecx, -NICE_MIN
    div ecx
    cmp eax, 1
    adc eax, 0
    mov [ebx + PCB_LINUX + LINUX_PRIORITY], eax
    mov edx, eax
    xor edi, edi
.Lset:
    mov [ebx + PCB_LINUX + LINUX_POLICY], esi
    mov [ebx + PCB_LINUX + LINUX_REAL_TIME], edi
    mov [ebx + PCB_LINUX + LINUX_COUNTER], edx
    lea eax, [ebx + PCB_LINUX]
    cmp dword ptr [eax + LINUX_NEXT], 0
    je .Ldone                   ; it waits
    call linux_remove
    call linux_append
    mov dword ptr [sched_due], 1
.Ldone:
    xor eax, eax
    ret
.Lno:
    mov eax, ERR_ARGUMENT
    ret
.Lno_process:
    mov eax, ERR_PROCESS
    ret

; sys_sched_get: see syscall.asm for what a system call may rely on.
;   in    EBX = process, ESI = address of a SCHEDULED, or 0
;   out   EAX = SCHED_ policy, or an error
.global sys_sched_get
sys_sched_get:
    call scheduled_begin
    jc .Lreturn
    mov eax, [ebx + PCB_LINUX + LINUX_POLICY]
    test esi, esi
    jz .Lreturn
    mov [esi + SCHEDULED_POLICY], eax
    mov edx, [ebx + PCB_LINUX + LINUX_NICE]
    test eax, eax
    jz .Lpriority
    mov edx, [ebx + PCB_LINUX + LINUX_REAL_TIME]
    sub edx, GOODNESS_REAL_TIME
.Lpriority:
    mov [esi + SCHEDULED_PRIORITY], edx
    mov edx, [ebx + PCB_LINUX + LINUX_COUNTER]
    mov [esi + SCHEDULED_LEFT], edx
.Lreturn:
    ret

.assert SCHED_OTHER == 0 && SCHED_FIFO == 1 && SCHED_RR == 2, "sys_sched_set and LINUX rely on it"
