; What programs set and learn of DWCS: windows, and who is admitted.

.include "ecalls.inc"

.text

; sys_sched_set: see syscall.asm for what a system call may rely on.
;   in    EBX = process, ESI = SCHED_ policy, EDI = address of a WINDOW
;   out   EAX = 0, or an error
;
; A window begins with the next slot, or as soon as everything is over that was promised to those who have gone.
.global sys_sched_set
sys_sched_set:
    mov eax, ebx
    call process_find
    mov ecx, ERR_PROCESS
    jc .Lrefused
    lea ebx, [eax + PCB_DWCS]
    xor ebp, ebp                ; share
    cmp esi, SCHED_OTHER
    je .Lset
    mov ecx, ERR_ARGUMENT
    cmp esi, SCHED_DWCS
    jne .Lrefused
    mov eax, edi
    mov edx, WINDOW_SIZE
    xor ecx, ecx
    call user_memory
    mov ecx, ERR_ADDRESS
    jc .Lrefused

    mov ecx, ERR_ARGUMENT
    mov edx, [edi + WINDOW_PERIOD]
    mov eax, edx
    dec eax
    cmp eax, PERIOD_MAX
    jae .Lrefused
    mov eax, [edi + WINDOW_RUNTIME]
    dec eax
    cmp eax, edx
    jae .Lrefused
    mov edx, [edi + WINDOW_DENOMINATOR]
    mov eax, edx
    dec eax
    cmp eax, YMAX
    jae .Lrefused
    cmp [edi + WINDOW_NUMERATOR], edx
    ja .Lrefused
    test dword ptr [edi + WINDOW_FLAGS], ~(WINDOW_UNPROMISED | WINDOW_WORK_CONSERVING)
    jnz .Lrefused

    call window_share
    mov ebp, eax
    test dword ptr [edi + WINDOW_FLAGS], WINDOW_UNPROMISED
    jnz .Lset
    mov ecx, ERR_ADMISSION
    mov edx, [dwcs_promised]
    test dword ptr [ebx + DWCS_FLAGS], WINDOW_UNPROMISED
    jnz .Lsum
    sub edx, [ebx + DWCS_SHARE]         ; it gives that back
.Lsum:
    add edx, eax
    jc .Lrefused
    cmp edx, SHARE_ALL
    ja .Lrefused

; -- checked: from here on nothing can fail --
.Lset:
    mov eax, ebx
    push dword ptr [ebx + DWCS_NEXT]
    cmp dword ptr [esp], 0
    je .Lleave                  ; it waits
    call dwcs_remove
.Lleave:
    call window_leave
    cmp esi, SCHED_OTHER
    je .Lqueue
    call window_enter
.Lqueue:
    pop edx
    test edx, edx
    jz .Ldone
    call dwcs_append
    mov dword ptr [sched_due], 1
.Ldone:
    xor eax, eax
    ret
.Lrefused:
    mov eax, ecx
    ret

; window_share: which share of the processor a window takes, or if it wants no promise, needs at least.
;   in    EDI = WINDOW, checked
;   out   EAX = C/T in parts of SHARE_ALL; without promise times (y - x)/y; rounded up
window_share:
    mov eax, SHARE_ALL
    mul dword ptr [edi + WINDOW_RUNTIME]
    mov ecx, [edi + WINDOW_PERIOD]
    call .Lquotient
    test dword ptr [edi + WINDOW_FLAGS], WINDOW_UNPROMISED
    jz .Lreturn
    mov ecx, [edi + WINDOW_DENOMINATOR]
    mov edx, ecx
    sub edx, [edi + WINDOW_NUMERATOR]
    mul edx
.Lquotient:                     ; EDX:EAX / ECX, rounded up
    dec ecx
    add eax, ecx
    adc edx, 0
    inc ecx
    div ecx
.Lreturn:
    ret

; window_enter: a process gets a window.
;   in    EAX = DWCS, all zero; EDI = WINDOW, EBP = its share
;   out   EAX kept; ECX, EDX, EDI destroyed
window_enter:
.irp field, PERIOD, RUNTIME, NUMERATOR, DENOMINATOR, FLAGS
    mov edx, [edi + WINDOW_\field]
    mov [eax + DWCS_\field], edx
.endr
    mov [eax + DWCS_SHARE], ebp
    call window_begin
    mov edx, [slot]
    inc edx
    test dword ptr [eax + DWCS_FLAGS], WINDOW_UNPROMISED
    jnz .Lunpromised
    add [dwcs_promised], ebp
    mov ecx, [dwcs_free]
    call .Llater
.if SCHED_EVENTS
    mov ecx, [ecall_server + DWCS_DEADLINE]
    call .Llater
.endif
    mov [eax + DWCS_DEADLINE], edx
    ret
.Lunpromised:
    add [dwcs_wanted], ebp
    adc dword ptr [dwcs_wanted_high], 0
    inc dword ptr [dwcs_unpromised]
    mov [eax + DWCS_DEADLINE], edx
    ret

.Llater:                        ; EDX = the later of the slots ECX, EDX
    push ecx
    sub ecx, edx
    pop ecx
    jle .Lkept
    mov edx, ecx
.Lkept:
    ret

; sys_sched_get: see syscall.asm for what a system call may rely on.
;   in    EBX = process, ESI = address of a SCHEDULED, or 0
;   out   EAX = SCHED_ policy, or an error
.global sys_sched_get
sys_sched_get:
    call scheduled_begin
    jc .Lreturn
    mov eax, SCHED_OTHER
    cmp dword ptr [ebx + PCB_DWCS + DWCS_PERIOD], 0
    je .Lpolicy
    mov eax, SCHED_DWCS
.Lpolicy:
    test esi, esi
    jz .Lreturn
    mov [esi + SCHEDULED_POLICY], eax
.irp field, LEFT, X, Y, MET, MISSED, VIOLATIONS
    mov edx, [ebx + PCB_DWCS + DWCS_\field]
    mov [esi + SCHEDULED_\field], edx
.endr
.Lreturn:
    ret
