; Do handlers nest, is a signal masked while its own runs, and does it come afterwards?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGUSR1, first, trampoline
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGUSR2, second, trampoline
    EXPECT 0, "two handlers\n"
    CALL_KERNEL SYS_SIGNAL_SEND, 1, SIGUSR2
    EXPECT 0, "back\n"
    CALL_KERNEL SYS_SIGNAL_SEND, 1, SIGUSR1
    EXPECT 0, "back again\n"
    CALL_KERNEL SYS_SIGNAL_SEND, 1, SIGIO
    EXPECT 0, "one without a handler is dropped\n"
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGUSR2, 0, 0
    CALL_KERNEL SYS_SIGNAL_SEND, 1, SIGUSR2
    EXPECT 0, "so is one whose handler has gone\n"
    CALL_KERNEL SYS_SIGNAL_SEND, 1, 0
    EXPECT ERR_ARGUMENT, "0 is no signal\n"
    CALL_KERNEL SYS_SIGNAL_SEND, 1, SIGNAL_MAX + 1
    EXPECT ERR_ARGUMENT, "nor is this\n"
    CALL_KERNEL SYS_SIGNAL_SEND, 2, SIGUSR1
    EXPECT ERR_THREAD, "nor this a thread\n"
    CALL_KERNEL SYS_SIGNAL_ACTION, 0, first, trampoline
    EXPECT ERR_ARGUMENT, "no handler for 0\n"
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGNAL_MAX + 1, first, trampoline
    EXPECT ERR_ARGUMENT, "nor for that\n"
    EXIT 0

first:                          ; the first time it sends both: the second is handled at once, itself later
    SAY "  first\n"
    dec dword ptr [times]
    jnz first_again
    CALL_KERNEL SYS_SIGNAL_SEND, 1, SIGUSR1
    SAY "  still first\n"
    CALL_KERNEL SYS_SIGNAL_SEND, 1, SIGUSR2
    SAY "  end of first\n"
    ret
first_again:
    SAY "  end of first, once more\n"
    ret
second:
    SAY "    second\n"
    mov eax, [esp + SIGNAL_NUMBER]
    EXPECT SIGUSR2, "    which knows its number\n"
    ret
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.data
.align 4
times:
    .long 1
