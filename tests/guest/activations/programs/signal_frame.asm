; What of a frame that a program made up does the kernel believe? The test writes the frame.

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov esp, frame + SIGNAL_NUMBER
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL
landed:
    nop
    jmp landed

.bss
.align PAGE_SIZE
frame:
    .space SIGNAL_SIZE
