; The resource monitor in `uls`: the root scheduler. It has all interrupts, and gives the processor to virtual machines.
;
; Each turn gives the processor to one, by the answer that it waits for, and waits for a message; then it takes whatever
; else is pending, since with an interrupt comes the preemption of whom it interrupted. Virtual machines take turns, a
; tick each. One that is idle gets the processor as soon as there is an interrupt for it.

.include "lib/micro/user.inc"

TIMER = 1                       ; identifier of the thread of line 0: version 1

.text

; resource_thread: makes a thread.
;   in    EAX = identifier, EDX = one in its space, ECX = its scheduler, ESI = its pager, EDI = its priority in `l4`
;   out   EAX = 1 or 0
.global resource_thread
resource_thread:
    jmp thread_control

; resource_open: the network card's line may fire again.
.global resource_open
resource_open:
    mov eax, [card_line]
    shl eax, ID_SHIFT
    inc eax                     ; version 1
    xor esi, esi
    jmp ipc_send_now

; resource_run: runs the virtual machines.
;   out   does not return
.global resource_run
resource_run:
    mov dword ptr [turn], machines
    mov eax, TIMER
    call resource_attach
    cmp dword ptr [card_registers], 0
    je resource_choose
    mov eax, [card_line]
    shl eax, ID_SHIFT
    inc eax
    call resource_attach
resource_choose:
    call resource_next
    jc resource_nobody
    mov dword ptr [ebp + MACHINE_STATE], MACHINE_RUNS
    mov eax, [ebp + MACHINE_TO]
    mov esi, [ebp + MACHINE_TAG]
    mov ebx, [ebp + MACHINE_MR1]
    mov edi, [ebp + MACHINE_MR2]
    mov edx, ANY_THREAD
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT
    call KIP_CODE
resource_received:
    test esi, TAG_ERROR
    jnz resource_pending
resource_heard:
    call resource_message
resource_pending:
    mov edx, ANY_THREAD
    call ipc_receive_now
    test esi, TAG_ERROR
    jz resource_heard
    jmp resource_choose
resource_nobody:
    hlt                         ; an interrupt ends it, or does so at once if its message has come
    jmp resource_pending

; resource_attach: a line's interrupts come here.
;   in    EAX = identifier of its thread
resource_attach:
    push esi
    mov edx, eax
    mov ecx, NIL_THREAD
    mov esi, ROOT_TASK
    call thread_control
    pop esi
    ret

; resource_next: who gets the processor?
;   out   EBP = MACHINE; CF set: none can run
resource_next:
    mov ebp, [turn]
    mov ecx, VM_MACHINES
.Lmachine:
    cmp dword ptr [ebp + MACHINE_STATE], MACHINE_READY
    je .Lfound                  ; CF is clear
    call resource_turn
    dec ecx
    jnz .Lmachine
    stc
    ret
.Lfound:
    mov [turn], ebp
    ret

; resource_turn: the next one's turn.
;   in    EBP = MACHINE
;   out   EBP = MACHINE behind it
resource_turn:
    add ebp, MACHINE_SIZE
    cmp ebp, machines + VM_MACHINES * MACHINE_SIZE
    jb .Lreturn
    mov ebp, machines
.Lreturn:
    ret

; resource_message: a message has come.
;   in    EAX = from whom, ESI = tag, EBX, EDI = MR1, MR2, the rest in the UTCB
resource_message:
    cmp eax, IRQ_THREADS << ID_SHIFT
    jb .Linterrupt
    call machine_find
    jc .Llost
    mov edx, esi
    shr edx, LABEL_SHIFT
    cmp edx, LABEL_PREEMPTION
    jne machine_message
    mov [ebp + MACHINE_TO], eax
    mov dword ptr [ebp + MACHINE_TAG], 0
    mov dword ptr [ebp + MACHINE_STATE], MACHINE_READY
    ret

    ; The idle thread, or a program that has sent a message past main: the processor has been given away, and main, which
    ; waits for a message of that program, would wait for ever. So it gets this one.
.Llost:
    mov ebp, [turn]
    cmp dword ptr [ebp + MACHINE_STATE], MACHINE_RUNS
    jne .Lreturn
    mov eax, [ebp + MACHINE_MAIN]
    mov [ebp + MACHINE_TO], eax
    mov dword ptr [ebp + MACHINE_TAG], 0
    mov dword ptr [ebp + MACHINE_STATE], MACHINE_READY
.Lreturn:
    ret

.Linterrupt:
    cmp eax, TIMER
    jne .Lcard

    ; The timer: for everybody; and the next one's turn. Its line opens at once, the card's when its interrupt is handled.
    xor esi, esi
    call ipc_send_now
    mov ebp, machines
    mov ecx, VM_MACHINES
.Lmachine:
    cmp dword ptr [ebp + MACHINE_STATE], MACHINE_NONE
    je .Lnext
    mov eax, [ebp + MACHINE_MEMORY]
    inc dword ptr [eax + VMINFO_TICKS]
    mov edx, VM_TICK
    call resource_pend
.Lnext:
    add ebp, MACHINE_SIZE
    dec ecx
    jnz .Lmachine
    mov ebp, [turn]
    call resource_turn
    mov [turn], ebp
    ret
.Lcard:
    mov ebp, machines
    mov edx, VM_NIC

; resource_pend: a line of a virtual machine has fired.
;   in    EBP = MACHINE, EDX = VM_ line
;   out   ECX kept
resource_pend:
    mov eax, [ebp + MACHINE_MEMORY]
    or [eax + VMINFO_PENDING], edx
    cmp dword ptr [ebp + MACHINE_STATE], MACHINE_IDLE
    jne .Lreturn
    mov dword ptr [ebp + MACHINE_STATE], MACHINE_READY
.Lreturn:
    ret

.bss

.align 4
turn:                           ; MACHINE that comes first if it can run
    .space 4
