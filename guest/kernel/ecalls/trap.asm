; Exceptions and interrupts: one entry path, one exit path, one table. As the first kernel's trap.asm, but that there may be
; work to do before a program goes on, and that a handler of events may be what was interrupted.
;
; Owns trap_entry, where every vector stub ends, and trap_exit, where everything that came by a gate leaves. System
; calls have entries of their own (syscall.asm, sysenter.asm) that build the same frame, which trap.asm of the first kernel
; draws.

.include "ecalls.inc"

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

.rodata

; Who handles what. A handler is a routine with EAX = the trap frame.
.align 4
trap_table:
    .long handler_fault         ; EXC_DE
    .long handler_step          ; EXC_DB: a program's, or a single step into the SYSENTER entry
    .rept VECTOR_IRQ0 - EXC_NMI
    .long handler_fault         ; EXC_NMI to vector 31
    .endr
    .long tick_interrupt        ; IRQ 0: 8254 channel 0
    .rept 6
    .long line_interrupt        ; IRQ 1 to 6: masked, but a card's
    .endr
    .long pic_spurious_first    ; IRQ 7: masked, but where the first 8259A puts a request that went away
    .rept 7
    .long line_interrupt        ; IRQ 8 to 14: likewise
    .endr
    .long pic_spurious_second   ; IRQ 15: likewise the second
trap_table_end:

.assert trap_table_end - trap_table == VECTOR_COUNT * 4, "trap_table needs a line for every vector"
