; System calls: the INT 80h entry, the dispatch table, and the way back to the program.
;
; Owns the meaning of EAX in a system call. SYSENTER comes in by sysenter.asm and meets INT 80h in syscall_dispatch.
;
; A call is a routine sys_*: EBX, ESI and EDI are the program's arguments, EBP is the trap frame, EAX goes back to the
; program. It may destroy everything but ESP and runs with interrupts off on the thread's kernel stack.

.include "activations.inc"

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
;         both ways in take everything else from the frame, so a handler or an upcall may be entered in place of the
;         program: with its own EIP and ESP, and EAX
.global syscall_dispatch
syscall_dispatch:
    cmp eax, ACT_CALLS
    jae .Lunknown
    call dword ptr [syscall_table + eax * 4]
.Ldone:
    CURRENT edx
    cmp dword ptr [edx + ACT_WORK], 0
    jne .Lwork
    ret
.Lunknown:
    mov eax, ERR_CALL
    jmp .Ldone
.Lwork:
    mov [edx + USER_FRAME + FRAME_EAX], eax
    call work
    CURRENT edx
    mov eax, [edx + USER_FRAME + FRAME_EAX]
    ret

.include "kernel/calls.inc"

sys_process:
    CURRENT_PROCESS eax
    mov eax, [eax + PROCESS_NUMBER]
    ret

.rodata

.align 4
syscall_table:
    CALL SYS_WRITE,         sys_write           ; calls.inc
    CALL SYS_YIELD,         sys_yield           ; calls.inc
    CALL SYS_EXIT,          sys_exit            ; calls.inc
    CALL SYS_TIME,          sys_time            ; calls.inc
    CALL SYS_SLEEP,         sys_sleep           ; sleep.asm
    CALL SYS_SELF,          sys_self            ; calls.inc
    CALL SYS_PROCESS,       sys_process         ; here
    CALL SYS_MEMORY,        sys_memory          ; memory.asm
    CALL SYS_THREAD_CREATE, sys_thread_create   ; threads.asm
    CALL SYS_THREAD_EXIT,   sys_thread_exit     ; threads.asm
    CALL SYS_THREAD_JOIN,   sys_thread_join     ; threads.asm
    CALL SYS_PIPE,          sys_pipe            ; pipe.asm
    CALL SYS_READ,          sys_read            ; pipe.asm
    CALL SYS_WRITE_PIPE,    sys_write_pipe      ; pipe.asm
    CALL SYS_SIGNAL_ACTION, sys_signal_action   ; signal.asm
    CALL SYS_SIGNAL_RETURN, sys_signal_return   ; handler.asm
    CALL SYS_SIGNAL_SEND,   sys_signal_send     ; signal.asm
    CALL SYS_SIGNAL_TIMER,  sys_signal_timer    ; signal.asm
    CALL SYS_SIGNAL_INPUT,  sys_signal_input    ; signal.asm
    CALL SYS_SA_INIT,       sys_sa_init         ; activation.asm
    CALL SYS_SA_REVOKE,     sys_sa_revoke       ; activation.asm
    CALL SYS_SA_REQUEST,    sys_sa_request      ; activation.asm
    CALL SYS_SA_CONTROL,    sys_sa_control      ; activation.asm
    CALL SYS_SA_RESTORE,    sys_sa_restore      ; original.asm
    CALL SYS_SA_TIMER,      sys_sa_timer        ; upcall.asm
syscall_table_end:

.assert syscall_table_end - syscall_table == ACT_CALLS * 4, "syscall_table needs a line for every number"
