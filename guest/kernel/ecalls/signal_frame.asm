; What a signal does to the program that gets it: its handler, or what is done without one.
;
; Owns the frame on the program's stack (SIGINFO in guest/abi), and the way back from it. It holds every register that
; the program has, and nothing that comes back from it is believed.
;
;     ESP before ->  .................
;                    SIGINFO_REGS         gs fs, then the trap frame as it was
;                    SIGINFO_BLOCKED      signals that were blocked, two words
;                    SIGINFO_VALUE        the signal's value
;                    SIGINFO_NUMBER       the signal: the handler's argument, and ESP for SYS_SIGRETURN
;     ESP        ->  SIGINFO_RETURN       the trampoline: where the handler's RET goes

.include "ecalls.inc"

.text

; signal_work: enters the handler of the most urgent signal, or does what is done without one. DUE_SIGNAL stays set if
; there are more; the next way back to the program sees to them.
;   in    the running thread's frame is complete
;   out   every register destroyed; or does not return: the process has ended
.global signal_work
signal_work:
    CURRENT ebp
    mov eax, [ebp + PCB_SIGNALS + SIGS_BLOCKED]
    mov edx, [ebp + PCB_SIGNALS + SIGS_BLOCKED_RT]
    not eax
    not edx
    call signal_take
    jc .Lnone
    mov esi, [ebp + PCB_SIGNALS + SIGS_TABLE]
    test esi, esi
    jz .Ldefault
    mov ecx, eax
    shl ecx, SIGACTION_SHIFT
    lea esi, [esi + ecx + SIGTABLE_ACTIONS]
    cmp dword ptr [esi + SIGACTION_HANDLER], SIG_DFL
    jne signal_enter

    ; No handler: it stops the process, or ends it.
.Ldefault:
    cmp eax, SIGRTMIN
    jae signal_end
    mov edx, SIGNALS_STOP
    bt edx, eax
    jnc signal_end
    mov dword ptr [ebp + TCB_STATE], THREAD_STOPPED
    call sched_leave
    jmp signal_work

    ; None: what was due has been dropped meanwhile, or has stopped the process. The program goes on.
.Lnone:
    cmp dword ptr [ebp + PCB_SIGNALS + SIGS_SUSPENDED], 0
    je .Ldue
    mov dword ptr [ebp + PCB_SIGNALS + SIGS_SUSPENDED], 0
    mov eax, [ebp + PCB_SIGNALS + SIGS_KEPT]
    mov [ebp + PCB_SIGNALS + SIGS_BLOCKED], eax
    mov eax, [ebp + PCB_SIGNALS + SIGS_KEPT_RT]
    mov [ebp + PCB_SIGNALS + SIGS_BLOCKED_RT], eax
.Ldue:
    call signal_due
    jmp work                    ; and whatever has come meanwhile

; signal_enter: makes the running program enter a handler.
;   in    EBP = PCB, EAX = signal, EDX = value, ESI = SIGACTION
;   out   every register destroyed; or does not return: there is no stack for it
signal_enter:
    mov ebx, [ebp + USER_FRAME + FRAME_ESP]
    sub ebx, SIGINFO_SIZE
    push eax
    push edx
    mov eax, ebx
    mov edx, SIGINFO_SIZE
    mov ecx, 1
    call user_memory
    jc signal_segv
; -- checked: from here on nothing can fail --
    pop dword ptr [ebx + SIGINFO_VALUE]
    pop dword ptr [ebx + SIGINFO_NUMBER]
    mov eax, [esi + SIGACTION_TRAMPOLINE]
    mov [ebx + SIGINFO_RETURN], eax

    ; What was blocked, and what is while the handler runs.
    mov eax, [ebp + PCB_SIGNALS + SIGS_BLOCKED]
    mov edx, [ebp + PCB_SIGNALS + SIGS_BLOCKED_RT]
    cmp dword ptr [ebp + PCB_SIGNALS + SIGS_SUSPENDED], 0
    jne .Lsuspended
    mov [ebx + SIGINFO_BLOCKED], eax
    mov [ebx + SIGINFO_BLOCKED_RT], edx
.Lblock:
    or eax, [esi + SIGACTION_BLOCKED]
    or edx, [esi + SIGACTION_BLOCKED_RT]
    mov [ebp + PCB_SIGNALS + SIGS_BLOCKED], eax
    mov [ebp + PCB_SIGNALS + SIGS_BLOCKED_RT], edx
    call signal_due

    ; The registers, which the handler finds as they were, but for these: segments and flags as a program starts.
    push dword ptr [esi + SIGACTION_HANDLER]
    lea edi, [ebx + SIGINFO_REGS]
    lea esi, [ebp + USER_FRAME]
    mov eax, gs                 ; the kernel uses neither: they are the program's
    mov edx, fs
    call regs_store
    pop dword ptr [ebp + USER_FRAME + FRAME_EIP]
    mov [ebp + USER_FRAME + FRAME_ESP], ebx
    mov dword ptr [ebp + USER_FRAME + FRAME_EFLAGS], FLAGS_USER
    mov dword ptr [ebp + USER_FRAME + FRAME_DS], SEL_UDATA
    mov dword ptr [ebp + USER_FRAME + FRAME_ES], SEL_UDATA
    ret
.Lsuspended:
    mov dword ptr [ebp + PCB_SIGNALS + SIGS_SUSPENDED], 0
    mov ecx, [ebp + PCB_SIGNALS + SIGS_KEPT]
    mov [ebx + SIGINFO_BLOCKED], ecx
    mov ecx, [ebp + PCB_SIGNALS + SIGS_KEPT_RT]
    mov [ebx + SIGINFO_BLOCKED_RT], ecx
    jmp .Lblock

; sys_sigreturn: the end of a handler; see syscall.asm for what a system call may rely on.
;   out   does not return: the program goes on as its SIGINFO says
.global sys_sigreturn
sys_sigreturn:
    mov ebx, [ebp + FRAME_ESP]
    mov eax, ebx
    mov edx, SIGINFO_SIZE - SIGINFO_NUMBER
    xor ecx, ecx
    call user_memory
    jc signal_segv
; -- checked: from here on nothing can fail --
    mov edi, ebp
    CURRENT ebp
    mov eax, [ebx + SIGINFO_BLOCKED - SIGINFO_NUMBER]
    mov edx, [ebx + SIGINFO_BLOCKED_RT - SIGINFO_NUMBER]
    and eax, ~SIGNALS_FIRST
    mov [ebp + PCB_SIGNALS + SIGS_BLOCKED], eax
    mov [ebp + PCB_SIGNALS + SIGS_BLOCKED_RT], edx
    call signal_due
    add ebx, SIGINFO_REGS - SIGINFO_NUMBER
    mov ebp, edi
    jmp regs_load

; signal_segv: ends the running process, which has no such memory as a handler's frame is or must be in.
;   out   does not return
signal_segv:
    mov eax, SIGSEGV

; signal_end: ends the running process by a signal, and the console says so.
;   in    EAX = signal
;   out   does not return
signal_end:
    mov edx, eax
    add eax, EXIT_SIGNAL
    mov ecx, text_signal
    jmp program_end_saying

.rodata

text_signal:
    .asciz ": signal "
