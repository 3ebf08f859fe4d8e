; Interrupt descriptors: those of gates.inc, and the one that programs call. idt_init loads them.

.include "kernel.inc"
.include "gates.inc"

.rodata

IDT syscall_int

.assert idt_end - idt == (VECTOR_SYSCALL + 1) * GATE_SIZE, "the IDT has a gate for every vector up to VECTOR_SYSCALL"
