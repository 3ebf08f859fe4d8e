; Exceptions and interrupts: one entry path, one exit path, one table. As the first kernel's trap.asm, but that a thread
; may have work to do before it goes back to its program.
;
; Owns trap_entry, where every vector stub ends, and trap_exit, where everything that came by a gate leaves. System
; calls have entries of their own (syscall.asm, sysenter.asm) that build the same frame.
;
; The stack of the thread, as trap_entry hands it to the handler (FRAME in guest/abi, lowest address first):
;
;     top ->  SS, ESP                                 only if the trap came from ring 3
;             EFLAGS, CS, EIP                         the processor's
;             error code, vector                      the stub's, or the processor's error code
;             DS, ES                                  TRAP_SAVE's
;     EAX ->  EAX ECX EDX EBX . EBP ESI EDI           PUSHAD's, EDI lowest
;     ESP ->  return address into trap_entry

.include "activations.inc"
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
    cmp dword ptr [edx + ACT_WORK], 0
    jne trap_work

; trap_leave: the same, once there is no more work to do.
;   in    ESP = the trap frame
.global trap_leave
trap_leave:
    TRAP_RESTORE
    add esp, FRAME_EIP - FRAME_VECTOR
    iretd

trap_work:
    call work
    jmp trap_leave

    TRAP_TABLE fault, sysenter_step, timer_interrupt, pic_unexpected, input_interrupt
