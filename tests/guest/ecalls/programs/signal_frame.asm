; What of a frame that a program made up does the kernel believe? The test writes the frame.

.include "signals.inc"

.text

; _start: the program.
.global _start
_start:
    mov esp, frame + SIGINFO_NUMBER
    mov eax, SYS_SIGRETURN
    int VECTOR_SYSCALL
landed:
    mov eax, SYS_SIGPROCMASK
    int VECTOR_SYSCALL
masks:
    jmp masks

.bss
.align PAGE_SIZE
frame:
    .space SIGINFO_SIZE
