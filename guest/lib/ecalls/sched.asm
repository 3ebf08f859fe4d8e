; How processes are scheduled, as routines.
;
; Calling rule as in syscall.asm: arguments in EAX, EDX, ECX, result in EAX, negative if it is an error. What the calls do
; is in docs/ecalls-abi.md.

.text

; sched_set: how a process is to be scheduled from now on.
;   in    EAX = process, 0: this one; EDX = SCHED_ policy; ECX = real-time priority, nice, or address of a WINDOW
;   out   EAX = 0, or an error
.global sched_set
sched_set:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov edi, ecx
    mov eax, SYS_SCHED_SET
    call dword ptr [syscall]
    pop edi
    pop esi
    pop ebx
    ret

; sched_get: how is a process scheduled?
;   in    EAX = process, 0: this one; EDX = address of a SCHEDULED, or 0
;   out   EAX = SCHED_ policy, or an error
.global sched_get
sched_get:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    mov eax, SYS_SCHED_GET
    call dword ptr [syscall]
    pop esi
    pop ebx
    ret
