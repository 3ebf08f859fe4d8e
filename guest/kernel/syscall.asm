; System calls: the INT 80h entry, the dispatch table, and the calls that are too small for a file of their own.
;
; Owns the meaning of EAX in a system call. SYSENTER comes in by sysenter.asm and meets INT 80h in syscall_dispatch.
;
; A call is a routine sys_*: EBX, ESI and EDI are the program's arguments, EBP is the trap frame, EAX goes back to the
; program. It may destroy everything but ESP and runs with interrupts off on the thread's kernel stack.

.include "kernel.inc"

.macro CALL number, routine     ; the table is checked against the numbers, so neither order can be wrong
    .assert . - syscall_table == \number * 4, "syscall_table is not in the order of the numbers"
    .long \routine
.endm

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
    cmp eax, SYSCALL_COUNT
    jae .Lunknown
    jmp dword ptr [syscall_table + eax * 4]
.Lunknown:
    mov eax, ERR_CALL
    ret

; Interrupts are on while the console is waited for, so that no tick is lost. A tick cannot preempt the kernel, so lines
; stay whole; instead it leaves a note that sched_point reads.
sys_write:
    mov edi, esi
    cmp edi, WRITE_MAX
    jbe .Lcheck
    mov edi, WRITE_MAX
.Lcheck:
    mov eax, ebx
    mov edx, edi
    call space_check
    jc .Lbad
; -- checked: from here on nothing can fail --
    mov eax, ebx
    mov edx, edi
    sti
    call console_write
    cli
    call sched_point
    mov eax, edi
    ret
.Lbad:
    mov eax, ERR_ADDRESS
    ret

sys_yield:
    call sched_yield
    xor eax, eax
    ret

sys_exit:
    mov eax, ebx
    jmp program_exit

sys_time:
    mov edx, [clock_high]
    mov [ebp + FRAME_EBX], edx
    mov eax, [clock_low]
    ret

sys_self:
    CURRENT eax
    mov eax, [eax + TCB_NUMBER]
    ret

.rodata

.align 4
syscall_table:
    CALL SYS_WRITE, sys_write   ; here
    CALL SYS_YIELD, sys_yield   ; here
    CALL SYS_EXIT,  sys_exit    ; here
    CALL SYS_TIME,  sys_time    ; here
    CALL SYS_SLEEP, sys_sleep   ; sleep.asm
    CALL SYS_SELF,  sys_self    ; here
syscall_table_end:

.assert syscall_table_end - syscall_table == SYSCALL_COUNT * 4, "syscall_table needs a line for every number"
