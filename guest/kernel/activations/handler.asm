; Signal handlers: what a program sees of a signal.
;
; Owns the frame on the program's stack (SIGNAL in guest/abi), and the way back from it. It holds every register that the
; program has, and nothing that comes back from it is believed.
;
;     ESP before ->  .................
;                    SIGNAL_REGS          gs fs, then the trap frame as it was
;                    SIGNAL_MASKED        signals that were masked
;                    SIGNAL_NUMBER        the signal: the handler's argument, and ESP for SYS_SIGNAL_RETURN
;     ESP        ->  SIGNAL_RETURN        the trampoline: where the handler's RET goes

.include "activations.inc"

.text

; handler_work: enters the handler of each signal that the running thread has to handle; that of the highest number runs
; first, what it interrupts is the handler before.
;   in    WORK_SIGNAL is set
;   out   it is clear, and the thread's frame enters a handler; or does not return
.global handler_work
handler_work:
    push ebx
    push ebp
    CURRENT ebp
    mov ebx, [ebp + ACT_PROCESS]
.Lsignal:
    mov edx, [ebp + ACT_SIGNALS]
    or edx, [ebx + PROCESS_SIGNALS]
    mov ecx, [ebp + ACT_MASKED]
    not ecx
    and edx, ecx
    jz .Ldone
    bsf edx, edx
    mov eax, [ebp + ACT_SIGNALS]
    btr eax, edx
    mov [ebp + ACT_SIGNALS], eax
    jc .Ltaken
    mov eax, [ebx + PROCESS_SIGNALS]
    btr eax, edx
    mov [ebx + PROCESS_SIGNALS], eax
.Ltaken:
    mov eax, [ebx + PROCESS_HANDLERS + edx * 4]
    test eax, eax
    jz .Lsignal                 ; it has gone since
    mov ecx, [ebx + PROCESS_TRAMPOLINES + edx * 4]
    call handler_enter
    jmp .Lsignal
.Ldone:
    and dword ptr [ebp + ACT_WORK], ~WORK_SIGNAL
    pop ebp
    pop ebx
    ret

; handler_enter: makes the program enter a handler, in which the signal is masked.
;   in    EBP = TCB of the running thread, EAX = handler, EDX = signal, ECX = trampoline
;   out   or does not return: there is no stack for it
handler_enter:
    push ebx
    push esi
    push edi
    push eax
    push edx
    push ecx
    mov ebx, [ebp + USER_FRAME + FRAME_ESP]
    sub ebx, SIGNAL_SIZE
    mov eax, ebx
    mov edx, SIGNAL_SIZE
    mov ecx, PTE_U | PTE_W
    call memory_check
    jc memory_fault
; -- checked: from here on nothing can fail --
    pop eax
    mov [ebx + SIGNAL_RETURN], eax
    pop edx
    mov [ebx + SIGNAL_NUMBER], edx
    mov eax, [ebp + ACT_MASKED]
    mov [ebx + SIGNAL_MASKED], eax
    bts eax, edx
    mov [ebp + ACT_MASKED], eax
    lea edi, [ebx + SIGNAL_REGS]
    lea esi, [ebp + USER_FRAME]
    mov eax, gs                 ; the kernel uses neither: they are the program's
    mov edx, fs
    call regs_store

    ; The handler finds the registers as they were, but for these: segments and flags as a program starts.
    pop eax
    mov [ebp + USER_FRAME + FRAME_EIP], eax
    mov [ebp + USER_FRAME + FRAME_ESP], ebx
    mov dword ptr [ebp + USER_FRAME + FRAME_EFLAGS], FLAGS_USER
    mov dword ptr [ebp + USER_FRAME + FRAME_DS], SEL_UDATA
    mov dword ptr [ebp + USER_FRAME + FRAME_ES], SEL_UDATA
    pop edi
    pop esi
    pop ebx
    ret

; sys_signal_return: the end of a handler; see syscall.asm for what a system call may rely on.
;   out   does not return: the program goes on as its SIGNAL says
.global sys_signal_return
sys_signal_return:
    mov ebx, [ebp + FRAME_ESP]
    mov eax, ebx
    mov edx, SIGNAL_SIZE - SIGNAL_NUMBER
    mov ecx, PTE_U
    call memory_check
    jc memory_fault
; -- checked: from here on nothing can fail --

    ; What was masked, and whether a signal waits that is so no more.
    CURRENT edx
    mov eax, [ebx + SIGNAL_MASKED - SIGNAL_NUMBER]
    mov [edx + ACT_MASKED], eax
    add ebx, SIGNAL_REGS - SIGNAL_NUMBER
    not eax
    mov ecx, [edx + ACT_PROCESS]
    mov ecx, [ecx + PROCESS_SIGNALS]
    or ecx, [edx + ACT_SIGNALS]
    test eax, ecx
    jz regs_load
    or dword ptr [edx + ACT_WORK], WORK_SIGNAL
    jmp regs_load
