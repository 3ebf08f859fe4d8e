; What becomes of a program whose handler or frame cannot be: MODE says how?

.include "signals.inc"

ACTION handled, handler

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGACTION, SIGUSR1, handled
.if MODE == 0
    mov esp, USER_BASE          ; nothing is mapped below
.elseif MODE == 1
    mov esp, constant_end       ; read-only
.elseif MODE == 2
    mov esp, KERNEL_IMAGE
.elseif MODE == 3
    mov esp, 8                  ; the frame would go around the end
.elseif MODE == 4
    mov esp, USER_STACK_BASE + SIGINFO_SIZE - 4         ; all but the last word has room
.elseif MODE == 5
    mov esp, -4
    mov eax, SYS_SIGRETURN
    int VECTOR_SYSCALL
.elseif MODE == 6
    mov esp, USER_STACK_TOP - 8                         ; half a frame
    mov eax, SYS_SIGRETURN
    int VECTOR_SYSCALL
.elseif MODE == 7
    mov dword ptr [handled + SIGACTION_HANDLER], KERNEL_IMAGE
    CALL_KERNEL SYS_SIGACTION, SIGUSR1, handled
.elseif MODE == 8
    mov dword ptr [handled + SIGACTION_TRAMPOLINE], 0
    CALL_KERNEL SYS_SIGACTION, SIGUSR1, handled
.endif
    CALL_KERNEL SYS_SIGQUEUE, 0, SIGUSR1
    SAY "went on\n"
    EXIT 0

handler:
    ret
TRAMPOLINE

.rodata
    .space SIGINFO_SIZE
constant_end:
