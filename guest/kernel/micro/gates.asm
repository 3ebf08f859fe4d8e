; Interrupt descriptors of the microkernel: those of gates.inc, and the two that programs call. idt_init loads them.

.include "micro.inc"
.include "kernel/gates.inc"

.rodata

IDT syscall_int, ipc_int        ; VECTOR_SYSCALL: calls.asm, VECTOR_IPC: ipc_fast.asm

.assert idt_end - idt == (VECTOR_IPC + 1) * GATE_SIZE, "the IDT has a gate for every vector up to VECTOR_IPC"
