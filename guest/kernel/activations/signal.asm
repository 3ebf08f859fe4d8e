; Signals: who gets them, and the calls about them. What the program sees of a signal is handler.asm's.
;
; Owns which signals are pending. One that is sent to a thread waits for that thread; one to a process (SIGALRM, SIGIO)
; for whichever thread takes it first. A signal without a handler is dropped. That there is one to be handled stands in
; ACT_WORK of the thread that will do it; if it waits it is interrupted.

.include "activations.inc"

.text

; sys_signal_action: a handler; see syscall.asm for what a system call may rely on.
;   in    EBX = signal, ESI = handler or 0, EDI = trampoline
;   out   EAX = 0 or ERR_ARGUMENT
.global sys_signal_action
sys_signal_action:
    mov eax, ebx
    call signal_check
    jc .Lreturn
    CURRENT_PROCESS edx
    mov [edx + PROCESS_HANDLERS + ebx * 4], esi
    mov [edx + PROCESS_TRAMPOLINES + ebx * 4], edi
.Lreturn:
    ret

; signal_check: is that a signal?
;   in    EAX = number, whatever it may be
;   out   EAX = 0; CF set: no, EAX = ERR_ARGUMENT; EDX kept
signal_check:
    dec eax                     ; 0 becomes the highest
    cmp eax, SIGNAL_MAX
    jae .Lno
    xor eax, eax
    ret
.Lno:
    mov eax, ERR_ARGUMENT
    stc
    ret

; sys_signal_send: a signal to a thread of the same process.
;   in    EBX = thread, ESI = signal
;   out   EAX = 0, ERR_THREAD or ERR_ARGUMENT
.global sys_signal_send
sys_signal_send:
    mov eax, esi
    call signal_check
    jc .Lreturn
    mov eax, ebx
    call number_find
    jc .Lno_thread
    cmp dword ptr [eax + TCB_STATE], THREAD_ENDED
    je .Lno_thread
    CURRENT_PROCESS edx
    cmp dword ptr [edx + PROCESS_HANDLERS + esi * 4], 0
    je .Ldropped
    mov ecx, [eax + ACT_SIGNALS]
    bts ecx, esi
    mov [eax + ACT_SIGNALS], ecx
    mov ecx, [eax + ACT_MASKED]
    bt ecx, esi
    jc .Ldropped                ; masked: for later
    call signal_take
.Ldropped:
    xor eax, eax
.Lreturn:
    ret
.Lno_thread:
    mov eax, ERR_THREAD
    ret

; sys_signal_timer: SIGALRM every so many ticks.
;   in    EBX = ticks, or 0: no more
;   out   EAX = 0
.global sys_signal_timer
sys_signal_timer:
    CURRENT_PROCESS edx
    mov [edx + PROCESS_TIMER_PERIOD], ebx
    mov [edx + PROCESS_TIMER_LEFT], ebx
    xor eax, eax
    ret

; signal_tick: a tick has passed: SIGALRM to the processes whose time has come.
.global signal_tick
signal_tick:
    push ebx
    mov ebx, [processes]
.Lprocess:
    test ebx, ebx
    jz .Lreturn
    cmp dword ptr [ebx + PROCESS_TIMER_PERIOD], 0
    je .Lnext
    dec dword ptr [ebx + PROCESS_TIMER_LEFT]
    jnz .Lnext
    mov eax, [ebx + PROCESS_TIMER_PERIOD]
    mov [ebx + PROCESS_TIMER_LEFT], eax
    mov eax, ebx
    mov edx, SIGALRM
    call signal_process
.Lnext:
    mov ebx, [ebx + PROCESS_NEXT]
    jmp .Lprocess
.Lreturn:
    pop ebx
    ret

; sys_signal_input: SIGIO when something arrives. Of the console's input one process is told, the one that asked last.
;   in    EBX = pipe or CONSOLE_INPUT, ESI = 1: on, 0: off
;   out   EAX = 0, ERR_PIPE or ERR_ARGUMENT
.global sys_signal_input
sys_signal_input:
    mov eax, ERR_ARGUMENT
    cmp esi, 1
    ja .Lreturn
    mov eax, ebx
    call pipe_find
    mov edx, eax
    mov eax, ERR_PIPE
    jc .Lreturn
    CURRENT_PROCESS ecx
    xor eax, eax
    test esi, esi
    jz .Loff
    mov [edx + PIPE_SIGNAL], ecx
    ret
.Loff:
    cmp [edx + PIPE_SIGNAL], ecx
    jne .Lreturn
    mov [edx + PIPE_SIGNAL], eax
.Lreturn:
    ret

; signal_process: sends a signal to a process.
;   in    EAX = PROCESS, EDX = signal
.global signal_process
signal_process:
    cmp dword ptr [eax + PROCESS_HANDLERS + edx * 4], 0
    je .Lreturn
    bts dword ptr [eax + PROCESS_SIGNALS], edx
    jmp signal_offer
.Lreturn:
    ret

; signal_offer: looks for a thread that takes what is pending for its process: the running one, else one that can run,
; else one that waits. An activation that its program keeps unblocked is none of these. If there is none, a signal waits
; until a thread does not mask it any more.
;   in    EAX = PROCESS
.global signal_offer
signal_offer:
    push ebx
    push esi
    mov esi, [eax + PROCESS_SIGNALS]
    CURRENT ebx
    cmp [ebx + ACT_PROCESS], eax
    jne .Lothers
    mov edx, [ebx + ACT_MASKED]
    not edx
    test edx, esi
    jnz .Ltake
.Lothers:
    lea ecx, [eax + PROCESS_THREADS]
    mov eax, ecx
    xor ebx, ebx                ; the first that waits
.Lthread:
    mov eax, [eax + LINK_NEXT]
    cmp eax, ecx
    je .Lwaits
    mov edx, [eax - ACT_SIBLING + ACT_MASKED]
    not edx
    test edx, esi
    jz .Lthread
    mov edx, [eax - ACT_SIBLING + TCB_STATE]
    cmp edx, THREAD_RUNNING
    jbe .Lready
    cmp edx, THREAD_WAITING
    jne .Lthread
    test ebx, ebx
    jnz .Lthread
    lea ebx, [eax - ACT_SIBLING]
    jmp .Lthread
.Lready:
    lea ebx, [eax - ACT_SIBLING]
    jmp .Ltake
.Lwaits:
    test ebx, ebx
    jz .Lreturn
.Ltake:
    mov eax, ebx
    call signal_take
.Lreturn:
    pop esi
    pop ebx
    ret

; signal_take: a thread has a signal to handle.
;   in    EAX = TCB
signal_take:
    or dword ptr [eax + ACT_WORK], WORK_SIGNAL
    cmp dword ptr [eax + TCB_STATE], THREAD_WAITING
    je wait_interrupt
    ret
