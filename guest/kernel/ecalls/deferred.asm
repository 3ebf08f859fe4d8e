; Deferred User-ECalls: events that programs have put into their segments, and that are heard when they said.
;
; Owns the list of the channels whose service hears such events, and that of those of each process: to look at them is what
; deferring costs when there are no events. However many events there are in a segment, the service's routine runs once.

.include "ecalls.inc"

.text

; deferred_enter: a channel begins.
;   in    EBX = CHANNEL, EDI = SERVICE, EBP = PCB of its owner
.global deferred_enter
deferred_enter:
    cmp dword ptr [edi + SERVICE_DEFERRED], 0
    je .Lreturn
    mov eax, [deferring]
    mov [ebx + CHANNEL_DEFERRING], eax
    mov [deferring], ebx
    mov eax, [ebp + PCB_DEFERRING]
    mov [ebx + CHANNEL_SIBLING], eax
    mov [ebp + PCB_DEFERRING], ebx
.Lreturn:
    ret

; deferred_leave: a channel ends.
;   in    EBX = CHANNEL, EBP = PCB of its owner
.global deferred_leave
deferred_leave:
    mov edx, deferring - CHANNEL_DEFERRING      ; as if it were the CHANNEL_DEFERRING of one
.Lnext:
    mov ecx, [edx + CHANNEL_DEFERRING]
    jecxz .Lreturn                              ; its service does not defer
    cmp ecx, ebx
    je .Lfound
    mov edx, ecx
    jmp .Lnext
.Lfound:
    mov ecx, [ebx + CHANNEL_DEFERRING]
    mov [edx + CHANNEL_DEFERRING], ecx
    lea edx, [ebp + PCB_DEFERRING - CHANNEL_SIBLING]
.Lsibling:
    mov ecx, edx
    mov edx, [ecx + CHANNEL_SIBLING]
    cmp edx, ebx
    jne .Lsibling
    mov edx, [ebx + CHANNEL_SIBLING]
    mov [ecx + CHANNEL_SIBLING], edx
.Lreturn:
    ret

; deferred_call: a system call of the running process returns: what was to be heard then.
;   in    EDX = PCB
.global deferred_call
deferred_call:
    mov eax, [edx + PCB_DEFERRING]
    test eax, eax
    jz .Lreturn
    push ebx
.Lnext:
    mov ebx, [eax + CHANNEL_SIBLING]
    mov edx, [eax + CHANNEL_TO_KERNEL]
    test dword ptr [edx + SEGMENT_CONTROL + CONTROL_WHEN], DEFER_CALL
    jz .Lskip
    call deferred_hear
.Lskip:
    mov eax, ebx
    test eax, eax
    jnz .Lnext
    pop ebx
.Lreturn:
    ret

; schedule_begin: the scheduler is about to choose: bottom halves, and what was to be heard before that.
.global schedule_begin
schedule_begin:
    cmp dword ptr [bottom_halves], 0
    je .Ldeferred
    call bottom_half
.Ldeferred:
    mov eax, [deferring]
    test eax, eax
    jz schedule_begun
    push ebx
.Lnext:
    mov ebx, [eax + CHANNEL_DEFERRING]
    mov edx, [eax + CHANNEL_TO_KERNEL]
    test dword ptr [edx + SEGMENT_CONTROL + CONTROL_WHEN], DEFER_SCHEDULE
    jz .Lskip
    call deferred_hear
.Lskip:
    mov eax, ebx
    test eax, eax
    jnz .Lnext
    pop ebx
schedule_begun:
    ret

; deferred_tick: a tick: what was to be heard after some. They are counted from the first tick on that finds the events.
.global deferred_tick
deferred_tick:
    push ebx
    mov ebx, [deferring]
.Lnext:
    test ebx, ebx
    jz .Ldone
    mov eax, ebx
    mov ebx, [eax + CHANNEL_DEFERRING]
    mov edx, [eax + CHANNEL_TO_KERNEL]
    test dword ptr [edx + SEGMENT_CONTROL + CONTROL_WHEN], DEFER_TICKS
    jz .Lnext
    cmp dword ptr [eax + CHANNEL_ARMED], 0
    jne .Larmed
    mov dword ptr [eax + CHANNEL_ARMED], 1
    mov edx, [edx + SEGMENT_CONTROL + CONTROL_DELAY]
    add edx, [clock_ticks]
    mov [eax + CHANNEL_DUE], edx
.Larmed:
    mov edx, [clock_ticks]
    sub edx, [eax + CHANNEL_DUE]
    js .Lnext
    call deferred_hear
    jmp .Lnext
.Ldone:
    pop ebx
    ret

; deferred_hear: lets a service hear what a program has deferred.
;   in    EAX = CHANNEL
deferred_hear:
    mov edx, [eax + CHANNEL_TO_KERNEL]
    mov dword ptr [edx + SEGMENT_CONTROL + CONTROL_WHEN], 0
    mov dword ptr [eax + CHANNEL_ARMED], 0
    cmp dword ptr [edx + ECALL_LIST_FLAG], 0
    je .Lreturn
    mov ecx, [eax + CHANNEL_SERVICE]
    jmp dword ptr [ecx + SERVICE_DEFERRED]
.Lreturn:
    ret

.bss

.align 4
deferring:                      ; the CHANNELs whose service hears deferred events, linked by CHANNEL_DEFERRING; or 0
    .space 4
