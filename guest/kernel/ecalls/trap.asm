; Exceptions and interrupts: one entry path, one exit path, one table. As the first kernel's trap.asm, but that there may be
; work to do before a program goes on, and that a handler of events may be what was interrupted.
;
; Owns trap_entry, where every vector stub ends, and trap_exit, where everything that came by a gate leaves. System
; calls have entries of their own (syscall.asm, sysenter.asm) that build the same frame, which trap.asm of the first kernel
; draws.

.include "ecalls.inc"
.include "kernel/trap_table.inc"

.text

; trap_entry: the common tail of the vector stubs.
;   in    the stack from FRAME_VECTOR up; every register is the interrupted code's
.global trap_entry
trap_entry:
    TRAP_SAVE
    mov eax, esp
    mov edx, [eax + FRAME_VECTOR]
    call dword ptr [trap_table + edx * 4]

; trap_exit: back to what was interrupted. A new thread begins here, too (thread.asm).
;   in    ESP = the trap frame
.global trap_exit
trap_exit:
    test dword ptr [esp + FRAME_CS], SEL_RPL
    jz trap_leave
    CURRENT edx
    mov ecx, [edx + PCB_DUE]
    or ecx, [bottom_halves]
    or ecx, [sched_due]
    jnz trap_work

; trap_leave: the same, once there is no more work to do.
;   in    ESP = the trap frame
.global trap_leave
trap_leave:
    TRAP_RESTORE
    add esp, FRAME_EIP - FRAME_VECTOR
    iretd

trap_work:
    cmp dword ptr [handler_running], 0
    jne trap_leave              ; what goes on is a user handler: no time for others
    call work
    jmp trap_leave

    TRAP_TABLE handler_fault, handler_step, tick_interrupt, line_interrupt, line_interrupt
