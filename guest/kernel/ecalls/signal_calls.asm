; The system calls about signals, but for the end of a handler (signal_frame.asm).

.include "ecalls.inc"

.text

; sys_sigaction: see syscall.asm for what a system call may rely on.
;   in    EBX = signal, ESI = address of a SIGACTION, or 0
;   out   EAX = 0, or an error
.global sys_sigaction
sys_sigaction:
    mov eax, ERR_ARGUMENT
    mov ecx, ebx
    dec ecx                     ; 0 becomes the highest
    cmp ecx, SIGRTMAX
    jae .Lreturn
    cmp ebx, SIGKILL
    je .Lreturn
    cmp ebx, SIGSTOP
    je .Lreturn
    test esi, esi
    jz .Ldefault
    mov eax, esi
    mov edx, SIGACTION_SIZE
    xor ecx, ecx
    call user_memory
    mov eax, ERR_ADDRESS
    jnc .Ltable
.Lreturn:
    ret
.Ldefault:
    mov esi, action_default
.Ltable:
    CURRENT ebp
    mov eax, ebp
    call signal_table
    mov edx, eax
    mov eax, ERR_MEMORY
    jc .Lreturn
; -- checked: from here on nothing can fail --
    mov edi, ebx
    shl edi, SIGACTION_SHIFT
    lea edi, [edi + edx + SIGTABLE_ACTIONS]
    mov eax, [esi + SIGACTION_HANDLER]
    mov [edi + SIGACTION_HANDLER], eax
    mov eax, [esi + SIGACTION_TRAMPOLINE]
    mov [edi + SIGACTION_TRAMPOLINE], eax
    mov eax, [esi + SIGACTION_BLOCKED]
    mov [edi + SIGACTION_BLOCKED], eax
    mov eax, [esi + SIGACTION_BLOCKED_RT]
    mov [edi + SIGACTION_BLOCKED_RT], eax
    bts dword ptr [edi + SIGACTION_BLOCKED], ebx        ; of both words: they are one set
    and dword ptr [edi + SIGACTION_BLOCKED], ~SIGNALS_FIRST

    ; If it is to be dropped now, what is pending of it is, too.
    mov eax, [edi + SIGACTION_HANDLER]
    cmp eax, SIG_IGN
    ja .Ldone
    je .Ldrop
    cmp ebx, SIGRTMIN
    jae .Ldone
    mov ecx, SIGNALS_DROPPED
    bt ecx, ebx
    jnc .Ldone
.Ldrop:
    btr dword ptr [ebp + PCB_SIGNALS + SIGS_PENDING], ebx
    jnc .Ldone
    cmp ebx, SIGRTMIN
    jb .Ldone
    lea ecx, [edx + ebx * SIGFIFO_SIZE + SIGTABLE_FIFOS - SIGRTMIN * SIGFIFO_SIZE]
    mov esi, [ecx + SIGFIFO_FIRST]
    mov edi, [ecx + SIGFIFO_LAST]
    mov eax, [edx + SIGTABLE_FREE]
    mov [edi + SIGENTRY_NEXT], eax
    mov [edx + SIGTABLE_FREE], esi
.Ldone:
    call signal_due
    xor eax, eax
    ret

; sys_sigprocmask: likewise.
;   in    EBX, ESI = what is blocked from now on
;   out   EAX, and the program's EBX: what was blocked
.global sys_sigprocmask
sys_sigprocmask:
    mov eax, ebp
    CURRENT ebp
    mov edx, [ebp + PCB_SIGNALS + SIGS_BLOCKED_RT]
    mov [eax + FRAME_EBX], edx
    mov eax, [ebp + PCB_SIGNALS + SIGS_BLOCKED]

; signal_block: sets what is blocked.
;   in    EBP = PCB, EBX, ESI = as sys_sigprocmask
;   out   EAX kept, EBX destroyed
signal_block:
    and ebx, ~SIGNALS_FIRST
    mov [ebp + PCB_SIGNALS + SIGS_BLOCKED], ebx
    mov [ebp + PCB_SIGNALS + SIGS_BLOCKED_RT], esi
    jmp signal_due

; sys_sigqueue: likewise.
;   in    EBX = number of a process, or 0: the caller; ESI = signal, or 0; EDI = value
;   out   EAX = 0, or an error
.global sys_sigqueue
sys_sigqueue:
    mov eax, ebx
    call process_find
    mov ecx, ERR_PROCESS
    jc .Lerror
    mov ecx, ERR_ARGUMENT
    cmp esi, SIGRTMAX
    ja .Lerror
    test esi, esi
    jz .Ldone
    mov edx, esi
    mov ecx, edi
    call signal_queue
    mov ecx, ERR_FULL
    jc .Lerror
.Ldone:
    xor eax, eax
    ret
.Lerror:
    mov eax, ecx
    ret

; sys_sigwaitinfo: likewise.
;   in    EBX, ESI = signals, EDI = address of a word, or 0
;   out   EAX = signal, or an error
.global sys_sigwaitinfo
sys_sigwaitinfo:
    CURRENT ebp
    and ebx, ~SIGNALS_FIRST
    test edi, edi
    jz .Llook
    mov eax, edi
    mov edx, 4
    mov ecx, 1
    call user_memory
    mov eax, ERR_ADDRESS
    jc .Lreturn
.Llook:
    mov eax, ebx
    mov edx, esi
    call signal_take
    jnc .Ltaken
    cmp dword ptr [ebp + PCB_DUE], 0
    jne .Linterrupted
    mov [ebp + PCB_SIGNALS + SIGS_WAITED], ebx
    mov [ebp + PCB_SIGNALS + SIGS_WAITED_RT], esi
    push ebx
    mov ebx, FOR_EVER
    mov ecx, NO_SOCKET
    call wait
    pop ebx
    xor eax, eax
    mov [ebp + PCB_SIGNALS + SIGS_WAITED], eax
    mov [ebp + PCB_SIGNALS + SIGS_WAITED_RT], eax
    jmp .Llook
.Ltaken:
    test edi, edi
    jz .Ldue
    mov [edi], edx
.Ldue:
    jmp signal_due              ; of those that it waited for there may be more
.Linterrupted:
    mov eax, ERR_INTERRUPTED
.Lreturn:
    ret

; sys_sigsuspend: likewise.
;   in    EBX, ESI = what is blocked meanwhile
;   out   EAX = ERR_INTERRUPTED; the handler's frame, or signal_work without one, gives back what was blocked before
.global sys_sigsuspend
sys_sigsuspend:
    CURRENT ebp
    mov eax, [ebp + PCB_SIGNALS + SIGS_BLOCKED]
    mov [ebp + PCB_SIGNALS + SIGS_KEPT], eax
    mov eax, [ebp + PCB_SIGNALS + SIGS_BLOCKED_RT]
    mov [ebp + PCB_SIGNALS + SIGS_KEPT_RT], eax
    mov dword ptr [ebp + PCB_SIGNALS + SIGS_SUSPENDED], 1
    call signal_block
.Lwait:
    mov ebx, FOR_EVER
    mov ecx, NO_SOCKET
    call wait
    cmp dword ptr [ebp + PCB_DUE], 0
    je .Lwait
    mov eax, ERR_INTERRUPTED
    ret

.rodata

.align 4
action_default:                 ; a SIGACTION
    .long SIG_DFL
    .space SIGACTION_SIZE - 4
