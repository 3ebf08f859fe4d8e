; Exceptions and interrupts: one entry path, one exit path, one table.
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

.include "kernel.inc"

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
    TRAP_RESTORE
    add esp, FRAME_EIP - FRAME_VECTOR
    iretd

.rodata

.macro LINE                     ; a line that a network card may have
.if NETWORK
    .long network_interrupt
.else
    .long pic_unexpected
.endif
.endm

; Who handles what. A handler is a routine with EAX = the trap frame.
.align 4
trap_table:
    .long fault                 ; EXC_DE
    .long sysenter_step         ; EXC_DB: a program's, or a single step into the SYSENTER entry
    .rept VECTOR_IRQ0 - EXC_NMI
    .long fault                 ; EXC_NMI to vector 31
    .endr
.if NETWORK
    .long network_timer         ; IRQ 0: 8254 channel 0
.else
    .long timer_interrupt       ; IRQ 0: 8254 channel 0
.endif
    .rept 6
    LINE                        ; IRQ 1 to 6: masked, but a card's
    .endr
    .long pic_spurious_first    ; IRQ 7: masked, but where the first 8259A puts a request that went away
    .rept 7
    LINE                        ; IRQ 8 to 14: likewise
    .endr
    .long pic_spurious_second   ; IRQ 15: likewise the second
trap_table_end:

.assert trap_table_end - trap_table == VECTOR_COUNT * 4, "trap_table needs a line for every vector"
