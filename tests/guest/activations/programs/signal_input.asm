; Does SIGIO come when something arrives in a pipe or on the console?

.include "test.inc"

.text

; _start: the program: the test sends it a line.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGIO, handler, trampoline
    CALL_KERNEL SYS_PIPE
    CALL_KERNEL SYS_SIGNAL_INPUT, 1, 1
    EXPECT 0, "asked\n"
    CALL_KERNEL SYS_WRITE_PIPE, 1, buffer, 3
    EXPECT 3, "written\n"
    mov eax, [handled]
    EXPECT 1, "handled\n"
    CALL_KERNEL SYS_SIGNAL_INPUT, 1, 0
    CALL_KERNEL SYS_WRITE_PIPE, 1, buffer, 3
    mov eax, [handled]
    EXPECT 1, "not handled any more\n"
    CALL_KERNEL SYS_SIGNAL_INPUT, 1, 2
    EXPECT ERR_ARGUMENT, "neither on nor off\n"
    CALL_KERNEL SYS_SIGNAL_INPUT, 2, 1
    EXPECT ERR_PIPE, "no pipe\n"

    mov dword ptr [handled], 0
    CALL_KERNEL SYS_SIGNAL_INPUT, CONSOLE_INPUT, 1
computes:
    cmp dword ptr [handled], 0
    je computes
    SAY "handled while it computes\n"
    CALL_KERNEL SYS_SIGNAL_INPUT, CONSOLE_INPUT, 0
line:
    CALL_KERNEL SYS_READ, CONSOLE_INPUT, buffer, 1
    CALL_KERNEL SYS_WRITE, buffer, 1
    cmp byte ptr [buffer], '\n'
    jne line
    EXIT 0

handler:
    inc dword ptr [handled]
    ret
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.bss
handled:
    .space 4
buffer:
    .space 16
