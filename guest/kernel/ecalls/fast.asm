; Fast User-ECalls: into the kernel and back with nothing on the way (figure 2 of the paper, b).
;
; The service's routine runs on the registers that the calling rule leaves it, and on no trap frame. Only if what it gives
; back asks for more there is a frame made, as of a system call, and that done; then the program goes on by IRET.
; The end of a user handler comes by the same gates.

.include "ecalls.inc"

; The processor's part of the way in is done: save what the routine does not. EAX, EBX are the program's.
.macro FAST_SAVE
    push ds
    push es
    mov ecx, SEL_KDATA          ; the program may have put anything there
    mov ds, ecx
    mov es, ecx
    cld
.endm

.text

; fast_sysenter: SYSENTER with a number that is no system call's (sysenter.asm).
;   in    ESP = the thread's kernel stack; EAX = ECALL_FAST + channel, or ECALL_RETURN; EBX = argument
;         ECX = the program's stack pointer, EDX = where it goes on, all else the program's
.global fast_sysenter
fast_sysenter:
    push ecx
    push edx
    FAST_SAVE
    call fast_call
    test edx, edx
    jnz .Lmore
    pop es
    pop ds
    pop edx
    pop ecx
    sti                         ; takes effect behind SYSEXIT
    sysexit
.Lmore:
    mov [fast_result], eax
    mov [fast_bits], edx
    pop es
    pop ds
    pop edx
    pop ecx
    push SEL_UDATA
    push ecx
    push FLAGS_USER
    push SEL_UCODE
    push edx
    push 0
    push VECTOR_ECALL
    push FLAGS_KERNEL           ; NT would make the next IRET a task switch
    popfd
    TRAP_SAVE
    jmp fast_more

; fast_int: the gate of INT VECTOR_ECALL: the same.
;   in    the stack from FRAME_EIP up; registers as above
.global fast_int
fast_int:
    FAST_SAVE
    call fast_call
    test edx, edx
    jnz .Lmore
    pop es
    pop ds
    iretd
.Lmore:
    mov [fast_result], eax
    mov [fast_bits], edx
    pop es
    pop ds
    push 0
    push VECTOR_ECALL
    TRAP_SAVE

; What a routine asks for beyond its result: the parts of a system call's end, each if its bit is set.
;   in    ESP = trap frame; fast_result, fast_bits, fast_channel
fast_more:
    mov ebp, esp
    mov eax, [fast_result]
    mov [ebp + FRAME_EAX], eax
    mov ebx, [fast_bits]
    test ebx, RUN_SYSCALL
    jz .Lbottom
    mov ecx, [fast_channel]
    mov ecx, [ecx + CHANNEL_SERVICE]
    mov ecx, [ecx + SERVICE_CALL]
    mov eax, ERR_SERVICE
    jecxz .Lcalled
    mov eax, [ebp + FRAME_EBX]
    xor edx, edx
    call ecx
.Lcalled:
    mov [ebp + FRAME_EAX], eax
.Lbottom:
    test ebx, RUN_BOTTOM_HALVES
    jz .Lresched
    call bottom_half
.Lresched:
    test ebx, NEED_RESCHED
    jz .Lsignals
    cmp dword ptr [sched_due], 0
    je .Lsignals
    call sched_look
.Lsignals:
    test ebx, SIGNALS_PENDING
    jz trap_leave
    CURRENT edx
    test dword ptr [edx + PCB_DUE], DUE_SIGNAL
    jz trap_leave
    call signal_work
    jmp trap_leave

; fast_call: finds the routine.
;   in    EAX, EBX = the program's
;   out   EAX = result, EDX = bits of FastResult; or does not return: it was ECALL_RETURN
fast_call:
    cmp dword ptr [handler_running], 0
    jne .Lhandler
    CURRENT edx
    and eax, ECALL_FAST - 1
    cmp eax, CHANNELS_OWNED
    jae .Lnone
    mov eax, [edx + PCB_CHANNELS + eax * 4]
    test eax, eax
    jz .Lnone
    mov [fast_channel], eax
    mov edx, ebx
    jmp dword ptr [eax + CHANNEL_FAST]
.Lnone:
    mov eax, ERR_CHANNEL
    xor edx, edx
    ret
.Lhandler:
    cmp eax, ECALL_RETURN
    je handler_return
    mov eax, ERR_RECURSION
    xor edx, edx
    ret

; fast_none: the routine of services that have none.
;   out   as fast_call
.global fast_none
fast_none:
    mov eax, ERR_SERVICE
    xor edx, edx
    ret

.bss

.align 4
fast_result:                    ; of a routine that asks for more: EAX
    .space 4
fast_bits:                      ; and EDX
    .space 4
fast_channel:                   ; the latest CHANNEL
    .space 4
