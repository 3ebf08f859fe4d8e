; What becomes of a program whose handler or frame cannot be: MODE says how?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGUSR1, handler, trampoline
.if MODE == 0
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGUSR1, KERNEL_IMAGE, trampoline
.elseif MODE == 1
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGUSR1, handler, 0
.elseif MODE == 2
    mov esp, USER_BASE          ; nothing is mapped below
.elseif MODE == 3
    mov esp, constant_end       ; read-only
.elseif MODE == 4
    mov esp, KERNEL_IMAGE
.elseif MODE == 5
    mov esp, 8                  ; the frame would go around the end
.elseif MODE == 6
    mov esp, USER_STACK_BASE + SIGNAL_SIZE - 4      ; all but the last word has room
.elseif MODE == 7
    mov esp, -4
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL
.elseif MODE == 8
    mov esp, USER_STACK_TOP - 8                     ; half a frame
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL
.endif
sends:
    CALL_KERNEL SYS_SIGNAL_SEND, 1, SIGUSR1
    SAY "went on\n"
    EXIT 0

handler:
    ret
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.rodata
    .space SIGNAL_SIZE
constant_end:
