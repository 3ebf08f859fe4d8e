; Interrupt descriptors and the stubs behind them.
;
; Owns the IDT and the vector stubs; both are complete when the kernel is linked. start calls idt_init once; afterwards
; only the processor comes here. Every gate is an interrupt gate: the kernel is entered with interrupts off.

.include "kernel.inc"

STUB = 16                       ; bytes of a stub; they are uniform, so that the IDT is filled by stepping

.text

; The stubs, one per vector. They make all frames alike: error code (0 where the processor pushes none) and vector.
;
;     vector 13 (#GP)               vector 14 (#PF)               vector 32 (IRQ 0)
;         push 13                       push 14                       push 0
;         jmp trap_entry                jmp trap_entry                push 32
;                                                                     jmp trap_entry
.align STUB
vector_stubs:
vector = 0
.rept VECTOR_COUNT
    .align STUB
    .if (VECTORS_WITH_ERROR_CODE >> vector & 1) == 0
    push 0
    .endif
    push vector
    jmp trap_entry
vector = vector + 1
.endr

; idt_init: from here on a fault has a name.
.global idt_init
idt_init:
    lidt [idt_register]
    ret

.rodata

; GATE handler, type: an interrupt gate (GATE in guest/abi).
.macro GATE handler, type
    .word (\handler) & 0xFFFF, SEL_KCODE
    .byte 0, \type
    .word (\handler) >> 16
.endm

; One gate per stub, then the system call's. Those between are not present, so an INT to them is a #GP; a vector above
; is beyond the limit, which is a #GP, too. INT3 and INTO are for programs, any other INT to a stub's gate is not.
.align 8
idt:
vector = 0
.rept VECTOR_COUNT
    .if vector == EXC_BP || vector == EXC_OF
    GATE vector_stubs + vector * STUB, GATE_USER
    .else
    GATE vector_stubs + vector * STUB, GATE_KERNEL
    .endif
vector = vector + 1
.endr
    .space (VECTOR_SYSCALL - VECTOR_COUNT) * GATE_SIZE
    GATE syscall_int, GATE_USER
idt_end:

idt_register:                   ; limit and base, as LIDT reads them
    .word idt_end - idt - 1
    .long idt

.assert idt_end - idt == (VECTOR_SYSCALL + 1) * GATE_SIZE, "the IDT has a gate for every vector up to VECTOR_SYSCALL"
