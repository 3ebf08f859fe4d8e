; Kernel handler threads: a thread of the kernel for a channel, in which its service may wait.

.include "ecalls.inc"

.text

; worker_create: makes the thread of a channel. It waits for events.
;   in    EBX = CHANNEL
;   out   CF set: out of memory
.global worker_create
worker_create:
    call frame_alloc
    jc .Lreturn
    mov [ebx + CHANNEL_THREAD], eax
    lea edx, [eax + TCB_AREA - FRAME_SIZE - SWITCH_SIZE]     ; CURRENT wants something on the stack
    mov dword ptr [edx + SWITCH_EIP], worker
    mov [edx + SWITCH_EBX], ebx
    mov [eax + TCB_STACK], edx
    mov dword ptr [eax + TCB_SPACE], kernel_directory - KERNEL_BASE
    inc dword ptr [programs_running]    ; the machine does not end without it
    mov edx, [ebx + CHANNEL_OWNER]
    push eax
    call sched_inherit
    pop eax
    call sched_ready
    clc
.Lreturn:
    ret

; worker: where such a thread begins.
;   in    EBX = CHANNEL
worker:
    CURRENT ebp
.Lnext:
    test dword ptr [ebp + PCB_DUE], DUE_END
    jnz .Lend
    cmp dword ptr [ebx + CHANNEL_WORK], 0
    je .Lwait
    mov dword ptr [ebx + CHANNEL_WORK], 0
    mov eax, ebx
    mov ecx, [ebx + CHANNEL_SERVICE]
    push ebx
    push ebp
    call dword ptr [ecx + SERVICE_THREAD]
    pop ebp
    pop ebx
    call sched_point
    jmp .Lnext
.Lwait:
    push ebx
    mov ebx, FOR_EVER
    mov ecx, NO_SOCKET
    call wait
    pop ebx
    jmp .Lnext
.Lend:
    mov dword ptr [ebx + CHANNEL_OWNER], 0      ; now it is free
    mov eax, ebp
    call sched_end
    mov ebx, ebp
    jmp thread_gone

; worker_end: a channel ends; it is free as soon as its thread has ended, which it does when it can.
;   in    EBX = CHANNEL
.global worker_end
worker_end:
    mov eax, [ebx + CHANNEL_THREAD]
    test eax, eax
    jz .Lfree
    or dword ptr [eax + PCB_DUE], DUE_END
    jmp wait_wake
.Lfree:
    mov dword ptr [ebx + CHANNEL_OWNER], 0
    ret
