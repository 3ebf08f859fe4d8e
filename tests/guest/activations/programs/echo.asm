; Does a program get what the console receives, all of it and in order?

.include "test.inc"

.text

; _start: the program: writes what it reads, up to the end of a line.
.global _start
_start:
    CALL_KERNEL SYS_READ, CONSOLE_INPUT, buffer, LENGTH
    mov ebp, eax
    CALL_KERNEL SYS_WRITE, buffer, ebp
    cmp byte ptr [buffer + ebp - 1], '\n'
    jne _start
    EXIT 0

.bss
buffer:
    .space LENGTH
