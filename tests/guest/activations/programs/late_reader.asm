; What is left of input that comes while nobody reads?

.include "test.inc"

.text

; _start: the program: it opens the input, and comes back when much more has come than it can hold.
.global _start
_start:
    CALL_KERNEL SYS_READ, CONSOLE_INPUT, buffer, 0
    EXPECT 0, "nothing\n"
    CALL_KERNEL SYS_SLEEP, 400
    CALL_KERNEL SYS_READ, CONSOLE_INPUT, buffer, 2 * PIPE_BYTES
    EXPECT PIPE_BYTES, "as much as it holds\n"
    mov ecx, PIPE_BYTES
    mov esi, buffer
look:                           ; the test sends the numbers from 0
    lodsb
    mov edx, PIPE_BYTES
    sub edx, ecx
    cmp al, dl
    loope look
    mov eax, ecx
    EXPECT 0, "the first that came\n"
    CALL_KERNEL SYS_READ, CONSOLE_INPUT, buffer, 1
    SAY "and then what comes now: "
    CALL_KERNEL SYS_WRITE, buffer, 1
    SAY "\n"
    EXIT 0

.bss
buffer:
    .space 2 * PIPE_BYTES
