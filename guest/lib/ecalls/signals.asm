; Signals as routines.
;
; Calling rule as in syscall.asm: arguments in EAX, EDX, ECX, result in EAX, negative if it is an error. What the calls
; do is in docs/ecalls-abi.md.
;
; A handler is a routine that finds the signal, its value and what it interrupts at ESP (SIGINFO), ends by RET, and may
; destroy every register: what it interrupts gets back its own.

.text

; signal_handle: a handler, which blocks no other signals.
;   in    EAX = signal, EDX = handler, SIG_DFL or SIG_IGN
;   out   EAX = 0, or an error
.global signal_handle
signal_handle:
    push 0                      ; SIGACTION: nothing else is blocked
    push 0
    push sigreturn
    push edx
    mov edx, esp
    call sigaction
    add esp, SIGACTION_SIZE
    ret

; sigaction: what is done with a signal.
;   in    EAX = signal, EDX = SIGACTION with `sigreturn` as its trampoline, or 0
;   out   EAX = 0, or an error
.global sigaction
sigaction:
    mov ecx, SYS_SIGACTION
    jmp signal_enter

; sigqueue: sends a signal.
;   in    EAX = process, 0: this one; EDX = signal; ECX = value
;   out   EAX = 0, or an error
.global sigqueue
sigqueue:
    push edi
    mov edi, ecx
    mov ecx, SYS_SIGQUEUE
    call signal_enter
    pop edi
    ret

; sigprocmask: blocks these signals and no others.
;   in    EAX = bit n: signal n, EDX = bit n: signal 32 + n
;   out   EAX, EDX = likewise those that were blocked
.global sigprocmask
sigprocmask:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    mov eax, SYS_SIGPROCMASK
    call dword ptr [syscall]
    mov edx, ebx
    pop esi
    pop ebx
    ret

; sigsuspend: waits for a handler, with these signals blocked and no others.
;   in    EAX, EDX = as sigprocmask
;   out   EAX = ERR_INTERRUPTED
.global sigsuspend
sigsuspend:
    mov ecx, SYS_SIGSUSPEND

; signal_enter: makes a system call.
;   in    ECX = number, EAX, EDX = arguments, and EDI
;   out   EAX = result
signal_enter:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    mov eax, ecx
    call dword ptr [syscall]
    pop esi
    pop ebx
    ret

; sigwaitinfo: waits for one of these signals and takes it.
;   in    EAX, EDX = as sigprocmask
;   out   EAX = signal, EDX = its value; or EAX = an error
.global sigwaitinfo
sigwaitinfo:
    push edi
    push 0                      ; the value
    mov edi, esp
    mov ecx, SYS_SIGWAITINFO
    call signal_enter
    pop edx
    pop edi
    ret

; sigreturn: where handlers end: the trampoline.
.global sigreturn
sigreturn:
    mov eax, SYS_SIGRETURN
    cmp dword ptr [syscall], syscall_by_sysenter
    jne .Lint
    mov ecx, esp
    sysenter
.Lint:
    int VECTOR_SYSCALL
