; System calls: the INT 80h entry, the dispatch table, and the way back to the program (figure 2 of the paper, a).
;
; Owns the meaning of EAX in a system call. SYSENTER comes in by sysenter.asm and meets INT 80h in syscall_dispatch.
;
; A call is a routine sys_*: EAX is its number, EBX, ESI and EDI are the program's arguments, EBP is the trap frame, EAX
; goes back to the program. It may destroy everything but ESP and runs with interrupts off on the thread's kernel stack.

.include "ecalls.inc"

.text

; syscall_int: the gate of INT 80h.
;   in    the stack from FRAME_EIP up; every register is the program's
.global syscall_int
syscall_int:
    push 0
    push VECTOR_SYSCALL
    TRAP_SAVE
    mov ebp, esp
    call syscall_dispatch
    mov [esp + FRAME_EAX], eax
    jmp trap_leave

; syscall_dispatch: does what the program asks for, and then whatever else is to be done before it goes on.
;   in    EAX = number, EBX, ESI, EDI = arguments, EBP = trap frame
;   out   EAX = result; every other register destroyed
;         both ways in take everything else from the frame, so a signal's handler may be entered in place of the program
.global syscall_dispatch
syscall_dispatch:
    cmp dword ptr [handler_running], 0
    jne .Lrecursion
    cmp eax, ECALL_CALLS
    jae .Lunknown
    call dword ptr [syscall_table + eax * 4]
.Ldone:
    CURRENT edx
    mov ecx, [edx + PCB_DUE]
    or ecx, [bottom_halves]
    or ecx, [sched_due]
    or ecx, [edx + PCB_DEFERRING]       ; it may have deferred something
    jnz .Lwork
    ret
.Lunknown:
    mov eax, ERR_CALL
    jmp .Ldone
.Lrecursion:
    mov eax, ERR_RECURSION
    ret
.Lwork:
    mov [edx + USER_FRAME + FRAME_EAX], eax
    call deferred_call
    call work
    CURRENT edx
    mov eax, [edx + USER_FRAME + FRAME_EAX]
    ret

.include "kernel/calls.inc"

.rodata

.align 4
syscall_table:
    CALL SYS_WRITE, sys_write                           ; calls.inc
    CALL SYS_YIELD, sys_yield                           ; calls.inc
    CALL SYS_EXIT,  sys_exit                            ; calls.inc
    CALL SYS_TIME,  sys_time                            ; calls.inc
    CALL SYS_SLEEP, sys_sleep                           ; wait.asm
    CALL SYS_SELF,  sys_self                            ; calls.inc
    .rept SYS_SOCKET_CLOSE - SYS_SOCKET_FIRST
    .long sys_socket                                    ; socket.asm
    .endr
    CALL SYS_SOCKET_CLOSE, sys_socket_close             ; socket.asm
    .rept SYS_SOCKET_END - SYS_SOCKET_CLOSE - 1
    .long sys_socket                                    ; socket.asm
    .endr
    CALL SYS_SIGACTION,         sys_sigaction           ; signal_calls.asm
    CALL SYS_SIGRETURN,         sys_sigreturn           ; signal_frame.asm
    CALL SYS_SIGPROCMASK,       sys_sigprocmask         ; signal_calls.asm
    CALL SYS_SIGQUEUE,          sys_sigqueue            ; signal_calls.asm
    CALL SYS_SIGWAITINFO,       sys_sigwaitinfo         ; signal_calls.asm
    CALL SYS_SIGSUSPEND,        sys_sigsuspend          ; signal_calls.asm
    CALL SYS_SCHED_SET,         sys_sched_set           ; sched_linux.asm, sched_dwcs.asm
    CALL SYS_SCHED_GET,         sys_sched_get           ; sched_linux.asm, sched_dwcs.asm
    CALL SYS_ECALLS_REGISTER,   sys_ecalls_register     ; channel.asm
    CALL SYS_ECALLS_UNREGISTER, sys_ecalls_unregister   ; channel.asm
    CALL SYS_ECALL,             sys_ecall               ; service.asm
    CALL SYS_ECALLS_WAIT,       sys_ecalls_wait         ; channel.asm
    CALL SYS_SELECT,            sys_select              ; select.asm
    CALL SYS_INTEREST,          sys_interest            ; interest.asm
    CALL SYS_READY,             sys_ready               ; interest.asm
    CALL SYS_RINGS,             sys_rings               ; rings.asm
    CALL SYS_RINGS_ENTER,       sys_rings_enter         ; rings.asm
syscall_table_end:

.assert syscall_table_end - syscall_table == ECALL_CALLS * 4, "syscall_table needs a line for every number"
