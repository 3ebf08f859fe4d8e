; The stubs behind the interrupt descriptors, and the register that finds these.
;
; Owns the vector stubs; the IDT is in gates.asm, for every kernel has its own. Both are complete when the kernel is
; linked. start calls idt_init once; afterwards only the processor comes here, with interrupts off.

.include "kernel.inc"
.include "gates.inc"

.text

; The stubs, one per vector. They make all frames alike: error code (0 where the processor pushes none) and vector.
;
;     vector 13 (#GP)               vector 14 (#PF)               vector 32 (IRQ 0)
;         push 13                       push 14                       push 0
;         jmp trap_entry                jmp trap_entry                push 32
;                                                                     jmp trap_entry
.global vector_stubs
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
