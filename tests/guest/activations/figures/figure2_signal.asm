; Figure 2 (a) of the paper: a signal. At the end of the handler a system call restores what was interrupted.

.include "../programs/test.inc"

.text

; _start: asks for a signal at the next tick.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGALRM, signal_handler, signal_end
    CALL_KERNEL SYS_SIGNAL_TIMER, 1

; user_code: what is interrupted.
user_code:
    cmp dword ptr [handled], 0
    je user_code
    EXIT 0

; signal_handler: the handler, entered by the kernel.
signal_handler:
    inc dword ptr [handled]
    ret

; signal_end: where it returns to.
signal_end:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.bss

handled:
    .space 4
