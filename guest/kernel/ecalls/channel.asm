; Channels: programs that have registered for a service.
;
; Owns the table of channels, and the pages of their data segments: both are always there, so nobody has to wait for them.
; The pages stay a program's own until it ends; who registers again finds them empty.

.include "ecalls.inc"

.text

; sys_ecalls_register: see syscall.asm for what a system call may rely on.
;   in    EBX = name of a service, ESI = address of a REGISTRATION
;   out   EAX = number of the channel, or an error
.global sys_ecalls_register
sys_ecalls_register:
    push esi
    call service_find
    pop esi
    jc .Lreturn
    mov edi, ecx
    mov eax, esi
    mov edx, REGISTRATION_SIZE
    xor ecx, ecx
    call user_memory
    mov eax, ERR_ADDRESS
    jc .Lreturn

    ; What the service cannot do, or the program cannot want.
    mov eax, ERR_ARGUMENT
    mov edx, [esi + REGISTRATION_METHODS]
    test edx, ~METHODS
    jnz .Lreturn
    test edx, METHOD_SIGNAL
    jz .Lhandler
    mov ecx, [esi + REGISTRATION_SIGNAL]
    sub ecx, SIGRTMIN
    cmp ecx, SIGRTMAX - SIGRTMIN
    ja .Lreturn
.Lhandler:
    mov eax, ERR_SERVICE
    test edx, METHOD_KERNEL
    jz .Lthread
    cmp dword ptr [edi + SERVICE_HANDLER], 0
    je .Lreturn
.Lthread:
    test edx, METHOD_THREAD
    jz .Lnumber
    cmp dword ptr [edi + SERVICE_THREAD], 0
    je .Lreturn

    ; A number, and a channel.
.Lnumber:
    mov eax, ERR_FULL
    CURRENT ebp
    xor edx, edx
.Ltaken:
    cmp dword ptr [ebp + PCB_CHANNELS + edx * 4], 0
    je .Lfree
    inc edx
    cmp edx, CHANNELS_OWNED
    jb .Ltaken
    ret
.Lfree:
    mov ebx, channels
.Lchannel:
    cmp dword ptr [ebx + CHANNEL_OWNER], 0
    je .Lfound
    add ebx, CHANNEL_SIZE
    cmp ebx, channels_behind
    jb .Lchannel
    ret
.Lfound:
    push edi
    mov edi, ebx
    xor eax, eax
    mov ecx, CHANNEL_SIZE / 4
    rep stosd
    pop edi
    mov [ebx + CHANNEL_NUMBER], edx
    mov [ebx + CHANNEL_SERVICE], edi
    .irp field, METHODS, HANDLER, STACK, SIGNAL
    mov eax, [esi + REGISTRATION_\field]
    mov [ebx + CHANNEL_\field], eax
    .endr
    mov eax, [edi + SERVICE_FAST]
    test eax, eax
    jnz .Lfast
    mov eax, fast_none
.Lfast:
    mov [ebx + CHANNEL_FAST], eax

    ; Its segments.
    shl edx, ECALL_SHIFT
    lea esi, [edx + ECALL_TELL]
    call segment_page
    jc .Lno_memory
    mov [ebx + CHANNEL_TO_KERNEL], eax
    add esi, ECALL_HEAR - ECALL_TELL
    call segment_page
    jc .Lno_memory
    mov [ebx + CHANNEL_TO_USER], eax
    mov [ebx + CHANNEL_USER], esi

    ; Now that it is whole, those that are interested.
    mov [ebx + CHANNEL_OWNER], ebp
    test dword ptr [ebx + CHANNEL_METHODS], METHOD_THREAD
    jz .Lbegin
    call worker_create
    jc .Lno_memory
.Lbegin:
    mov ecx, [edi + SERVICE_BEGIN]
    jecxz .Lenter
    mov eax, ebx
    call ecx
    jc .Lrefused
.Lenter:
    call deferred_enter
    mov eax, [ebx + CHANNEL_NUMBER]
    mov [ebp + PCB_CHANNELS + eax * 4], ebx
    ret
.Lno_memory:
    mov dword ptr [ebx + CHANNEL_OWNER], 0
    mov eax, ERR_MEMORY
.Lreturn:
    ret
.Lrefused:
    call worker_end
    mov eax, ERR_FULL
    ret

; segment_page: a data segment, all zero.
;   in    EBP = PCB of the running process, ESI = its address there
;   out   EAX = its address in the window; CF set: out of memory
segment_page:
    mov eax, [ebp + TCB_SPACE]
    add eax, KERNEL_BASE
    mov edx, esi
    mov ecx, PTE_U | PTE_W
    call space_map
    jc .Lreturn
    push edi
    mov edi, eax
    mov edx, esi
    and edx, PAGE_SIZE - 1
    add edx, eax
    xor eax, eax
    mov ecx, PAGE_SIZE / 4
    rep stosd
    mov eax, edx
    pop edi
.Lreturn:
    ret

; channel_own: a channel of the running process.
;   in    EBX = its number, straight from the program
;   out   EBX = CHANNEL, EBP = PCB; CF set: there is none, EAX = ERR_CHANNEL
channel_own:
    CURRENT ebp
    cmp ebx, CHANNELS_OWNED
    jae .Lnone
    mov ebx, [ebp + PCB_CHANNELS + ebx * 4]
    test ebx, ebx
    jz .Lnone
    ret
.Lnone:
    mov eax, ERR_CHANNEL
    stc
    ret

; channel_of: the channel of a process for a service.
;   in    EAX = PCB, EDX = SERVICE
;   out   EAX = CHANNEL, ECX kept; CF set: it has not registered
.global channel_of
channel_of:
    push ebx
    push ecx
    mov ecx, CHANNELS_OWNED - 1
.Lnext:
    mov ebx, [eax + PCB_CHANNELS + ecx * 4]
    test ebx, ebx
    jz .Lskip
    cmp [ebx + CHANNEL_SERVICE], edx
    je .Lfound
.Lskip:
    dec ecx
    jns .Lnext
    stc
    jmp .Lreturn
.Lfound:
    mov eax, ebx
    clc
.Lreturn:
    pop ecx
    pop ebx
    ret

; sys_ecalls_unregister: see syscall.asm for what a system call may rely on.
;   in    EBX = number of a channel
;   out   EAX = 0, or ERR_CHANNEL
.global sys_ecalls_unregister
sys_ecalls_unregister:
    call channel_own
    jc .Lreturn
    call channel_end
    xor eax, eax
.Lreturn:
    ret

; sys_ecalls_wait: see syscall.asm for what a system call may rely on.
;   in    EBX = number of a channel
;   out   EAX = 0, or an error
;
; The flag is looked at with interrupts off, and whoever raises an event wakes: no wake-up is lost.
.global sys_ecalls_wait
sys_ecalls_wait:
    call channel_own
    jc .Lreturn
    mov edi, ebx
.Llook:
    mov edx, [edi + CHANNEL_TO_USER]
    xor eax, eax
    cmp [edx + ECALL_LIST_FLAG], eax
    jne .Lreturn
    mov eax, ERR_INTERRUPTED
    test dword ptr [ebp + PCB_DUE], DUE_SIGNAL
    jnz .Lreturn
    mov dword ptr [edi + CHANNEL_WAITING], 1
    mov ebx, FOR_EVER
    mov ecx, NO_SOCKET
    call wait
    mov dword ptr [edi + CHANNEL_WAITING], 0
    jmp .Llook
.Lreturn:
    ret

; channels_end: a process ends: its channels do.
;   in    EAX = PCB
.global channels_end
channels_end:
    push ebx
    push ebp
    mov ebp, eax
    mov edx, CHANNELS_OWNED - 1
.Lnext:
    push edx
    mov ebx, [ebp + PCB_CHANNELS + edx * 4]
    test ebx, ebx
    jz .Lskip
    call channel_end
.Lskip:
    pop edx
    dec edx
    jns .Lnext
    pop ebp
    pop ebx
    ret

; channel_end: a channel is not wanted any more.
;   in    EBX = CHANNEL, EBP = PCB of its owner
channel_end:
    mov eax, [ebx + CHANNEL_SERVICE]
    mov ecx, [eax + SERVICE_END]
    jecxz .Lforget
    mov eax, ebx
    call ecx
.Lforget:
    mov eax, ebx
    call event_queue_remove
    call event_forget
    call deferred_leave
    mov eax, segment_of_nobody - SEGMENT_CONTROL        ; a worker may still look: the process's own will be gone
    mov [ebx + CHANNEL_TO_KERNEL], eax
    mov [ebx + CHANNEL_TO_USER], eax
    mov eax, [ebx + CHANNEL_NUMBER]
    mov dword ptr [ebp + PCB_CHANNELS + eax * 4], 0
    jmp worker_end

ECALL_SHIFT = 13                ; of ECALL_SPAN

.assert (ECALL_HEAR & (PAGE_SIZE - 1)) + SEGMENT_MAX <= PAGE_SIZE, "a data segment ends in its page"
.assert ECALL_SPAN == 1 << ECALL_SHIFT && ECALL_SPAN == 2 * PAGE_SIZE, "a channel has two pages"

.bss

.global channels, channels_behind

.align PAGE_SIZE
segment_of_nobody:              ; where what is left of channels reads and writes
    .space PAGE_SIZE
channels:                       ; CHANNELs
    .space CHANNELS * CHANNEL_SIZE
channels_behind:
