; System calls: the INT 80h entry and the dispatch table; calls that are too small for a file of their own are in calls.inc.
;
; Owns the meaning of EAX in a system call. SYSENTER comes in by sysenter.asm and meets INT 80h in syscall_dispatch.
;
; A call is a routine sys_*: EAX is its number, EBX, ESI and EDI are the program's arguments, EBP is the trap frame, EAX
; goes back to the program. It may destroy everything but ESP and runs with interrupts off on the thread's kernel stack.

.include "kernel.inc"

.if NETWORK
CALLS = SYS_SOCKET_END
.else
CALLS = SYSCALL_COUNT
.endif

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
    jmp trap_exit

; syscall_dispatch: does what the program asks for.
;   in    EAX = number, EBX, ESI, EDI = arguments, EBP = trap frame
;   out   EAX = result; every other register destroyed
.global syscall_dispatch
syscall_dispatch:
    cmp eax, CALLS
    jae .Lunknown
    jmp dword ptr [syscall_table + eax * 4]
.Lunknown:
    mov eax, ERR_CALL
    ret

.include "calls.inc"

.rodata

.align 4
syscall_table:
    CALL SYS_WRITE, sys_write   ; calls.inc
    CALL SYS_YIELD, sys_yield   ; calls.inc
    CALL SYS_EXIT,  sys_exit    ; calls.inc
    CALL SYS_TIME,  sys_time    ; calls.inc
    CALL SYS_SLEEP, sys_sleep   ; sleep.asm
    CALL SYS_SELF,  sys_self    ; calls.inc
.if NETWORK
    .rept SYS_SOCKET_END - SYS_SOCKET_FIRST
    .long sys_socket            ; network/socket.asm
    .endr
.endif
syscall_table_end:

.assert syscall_table_end - syscall_table == CALLS * 4, "syscall_table needs a line for every number"
