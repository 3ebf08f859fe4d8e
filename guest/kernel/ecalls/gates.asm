; Interrupt descriptors: those of gates.inc, and the two that programs call. idt_init loads them.

.include "ecalls.inc"
.include "kernel/gates.inc"

.rodata

IDT syscall_int, fast_int

.assert idt_end - idt == (VECTOR_ECALL + 1) * GATE_SIZE, "the IDT has a gate for every vector up to VECTOR_ECALL"
