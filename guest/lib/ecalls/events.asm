; ECalls as routines.
;
; Calling rule as in syscall.asm: arguments in EAX, EDX, ECX, result in EAX, negative if it is an error. What the calls do
; is in docs/ecalls-abi.md.

.text

; ecalls_register: registers for a service.
;   in    EAX = its name, EDX = REGISTRATION
;   out   EAX = number of the channel, or an error
.global ecalls_register
ecalls_register:
    mov ecx, SYS_ECALLS_REGISTER
    jmp ecalls_enter

; ecalls_unregister: the channel is not wanted any more.
;   in    EAX = its number
;   out   EAX = 0, or an error
.global ecalls_unregister
ecalls_unregister:
    mov ecx, SYS_ECALLS_UNREGISTER
    jmp ecalls_enter

; ecalls_wait: waits until there are events of the kernel in the channel's segment.
;   in    EAX = number of the channel
;   out   EAX = 0, or an error
.global ecalls_wait
ecalls_wait:
    mov ecx, SYS_ECALLS_WAIT

; ecalls_enter: makes a system call.
;   in    ECX = number, EAX, EDX = arguments
;   out   EAX = result
ecalls_enter:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    mov eax, ecx
    call dword ptr [syscall]
    pop esi
    pop ebx
    ret

; ecall: the generic system call of a service.
;   in    EAX = its name, EDX, ECX = arguments
;   out   EAX = result
.global ecall
ecall:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov edi, ecx
    mov eax, SYS_ECALL
    call dword ptr [syscall]
    pop edi
    pop esi
    pop ebx
    ret

; ecall_fast: a Fast User-ECall.
;   in    EAX = number of the channel, EDX = argument
;   out   EAX = result
.global ecall_fast
ecall_fast:
    push ebx
    mov ebx, edx
    or eax, ECALL_FAST
    call ecall_enter
    pop ebx
    ret

; ecall_return: ends a user handler.
;   in    EAX = FILTER_ bits
;   out   does not return
.global ecall_return
ecall_return:
    mov ebx, eax
    mov eax, ECALL_RETURN

; ecall_enter: into the kernel by the same way as system calls, but by the gate of ECalls.
;   in    EAX, EBX as VECTOR_ECALL wants them
;   out   EAX = result; ECX, EDX destroyed
ecall_enter:
    cmp dword ptr [syscall], syscall_by_sysenter
    je syscall_by_sysenter
    int VECTOR_ECALL
    ret
