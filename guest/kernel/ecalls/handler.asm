; Handlers of events: routines of extensions, in ring 0, and of programs, in ring 3.
;
; Owns what runs between the call of a handler and its end, and how it is ended if it does not. Only one handler runs at a
; time, on the kernel stack of whatever thread is running, and that thread goes on behind it: a handler cannot wait, and
; ticks that come meanwhile preempt nobody. It must end before HANDLER_TICKS ticks have begun, and do nothing that faults;
; else it is ended, its channel has no such handler any more, and its process gets a signal.
;
;     the thread's kernel stack
;         ...                                 whatever raised the event
;         EBX ESI EDI EBP, the space          kept by whoever calls a handler
;     handler_esp ->                          TSS_ESP0 meanwhile: a user handler's traps begin here

.include "ecalls.inc"

.if HANDLER_TICKS < 1
.error "HANDLER_TICKS must be 1 or more: else no handler could run"
.endif

HANDLER_IN_KERNEL = 1           ; handler_running
HANDLER_IN_PROGRAM = 2

.macro HANDLER_BEGIN kind       ; in: EBX = CHANNEL; EBX, ESI, EDI, EBP and the space are on the stack
    mov [handler_channel], ebx
    mov [handler_esp], esp
    mov dword ptr [handler_ticks], HANDLER_TICKS
    mov dword ptr [handler_running], \kind
.endm

.macro HANDLER_SAVE
    push ebx
    push esi
    push edi
    push ebp
    mov ebx, eax
    CURRENT edx
    mov edx, [edx + TCB_SPACE]
    push edx
.endm

.text

; handler_kernel: runs the handler of the service, with interrupts on.
;   in    EAX = CHANNEL
;   out   EAX = FILTER_ bits
.global handler_kernel
handler_kernel:
    HANDLER_SAVE
    HANDLER_BEGIN HANDLER_IN_KERNEL
    mov ecx, [ebx + CHANNEL_SERVICE]
    mov eax, ebx
    mov edx, [ebx + CHANNEL_VALUE]
    sti
    call dword ptr [ecx + SERVICE_HANDLER]
    cli
handler_over:
    mov dword ptr [handler_running], 0
    add esp, 4
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; handler_user: runs the handler of the program, in its space and in ring 3.
;   in    EAX = CHANNEL
;   out   EAX = FILTER_ bits
.global handler_user
handler_user:
    HANDLER_SAVE
    mov ecx, [ebx + CHANNEL_OWNER]
    mov ecx, [ecx + TCB_SPACE]
    cmp ecx, edx
    je .Lsame
    mov cr3, ecx
.Lsame:
    HANDLER_BEGIN HANDLER_IN_PROGRAM
    mov [tss + TSS_ESP0], esp
    mov eax, SEL_UDATA
    mov ds, eax
    mov es, eax
    mov eax, [ebx + CHANNEL_VALUE]
    mov ecx, [ebx + CHANNEL_STACK]
    mov edx, [ebx + CHANNEL_HANDLER]
    mov ebx, [ebx + CHANNEL_USER]
    xor esi, esi                ; nothing of the kernel's is left in registers
    xor edi, edi
    xor ebp, ebp
    test dword ptr [kernel_features], FEATURE_SYSENTER
    jz .Liret
    sti                         ; takes effect behind SYSEXIT
    sysexit
.Liret:
    push SEL_UDATA
    push ecx
    push FLAGS_USER
    push SEL_UCODE
    push edx
    xor ecx, ecx
    xor edx, edx
    iretd

; handler_return: the end of a user handler, by the gates of fast.asm.
;   in    EBX = FILTER_ bits; a user handler runs: nobody else makes calls while a handler does
;   out   does not return: handler_user does
.global handler_return
handler_return:
    mov eax, ebx

; handler_leave: back to whoever has called the handler, out of the program's space.
;   in    EAX = FILTER_ bits
handler_leave:
    mov esp, [handler_esp]
    mov edx, [esp]
    mov ecx, [handler_channel]
    mov ecx, [ecx + CHANNEL_OWNER]
    cmp [ecx + TCB_SPACE], edx
    je .Lsame
    mov cr3, edx
.Lsame:
    CURRENT edx
    add edx, TCB_AREA
    mov [tss + TSS_ESP0], edx
    jmp handler_over

; handler_tick: a tick that has come while a handler runs.
;   out   does not return if that was one too many
.global handler_tick
handler_tick:
    dec dword ptr [handler_ticks]
    jz .Lended
    ret
.Lended:
    mov edx, SIGXCPU

; handler_abort: ends the handler that runs.
;   in    EDX = the signal that its process gets
;   out   does not return: whoever has called the handler goes on, with FILTER_DROP
handler_abort:
    mov ebx, [handler_channel]
    inc dword ptr [ebx + CHANNEL_ABORTED]
    mov esi, METHOD_KERNEL
    cmp dword ptr [handler_running], HANDLER_IN_KERNEL
    je .Lmethod
    mov esi, METHOD_USER
.Lmethod:
    mov eax, esi
    not eax
    and [ebx + CHANNEL_METHODS], eax
    mov eax, [ebx + CHANNEL_OWNER]
    xor ecx, ecx
    call signal_queue
    xor eax, eax                ; FILTER_DROP
    cmp esi, METHOD_USER
    je handler_leave
    mov esp, [handler_esp]
    jmp handler_over

; handler_step: the handler of #DB, as sysenter_step, but that a program's may be its user handler's.
;   in    EAX = trap frame
.global handler_step
handler_step:
    test dword ptr [eax + FRAME_CS], SEL_RPL
    jz sysenter_step

; handler_fault: an exception. If it is a handler's, the handler is ended; else it is whoever's fault it is.
;   in    EAX = trap frame
.global handler_fault
handler_fault:
    cmp dword ptr [handler_running], 0
    je fault
    mov ecx, [eax + FRAME_VECTOR]
    mov edx, VECTORS_OF_THE_MACHINE
    bt edx, ecx
    jc fault
    mov edx, SIGSEGV
    test dword ptr [eax + FRAME_CS], SEL_RPL
    jnz handler_abort
    cmp dword ptr [handler_running], HANDLER_IN_KERNEL
    jne fault
    test dword ptr [eax + FRAME_EFLAGS], FLAGS_IF
    jnz handler_abort
    jmp fault                   ; an interrupt's, which came while the handler ran

.assert FILTER_DROP == 0, "who is ended drops"

.bss

.global handler_running

.align 4
handler_running:                ; HANDLER_IN_ bits; 0: none
    .space 4
handler_channel:                ; its CHANNEL
    .space 4
handler_esp:                    ; where the stack of whoever called it ends
    .space 4
handler_ticks:                  ; ticks that are left to it
    .space 4
