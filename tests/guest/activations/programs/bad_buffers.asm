; Does the kernel believe a buffer that is not wholly the program's, or a pipe that is not there?

.include "test.inc"

; READ a, b, c and WRITE a, b, c: the calls, and what must come of them.
.macro BOTH pipe, buffer, length, result, text
    CALL_KERNEL SYS_READ, \pipe, \buffer, \length
    cmp eax, \result
    jne wrong
    CALL_KERNEL SYS_WRITE_PIPE, \pipe, \buffer, \length
    EXPECT \result, \text
.endm

.text

; _start: the program. Pipe 1 has something to read, and room.
.global _start
_start:
    CALL_KERNEL SYS_PIPE
    CALL_KERNEL SYS_WRITE_PIPE, 1, text, 2
    EXPECT 2, "a pipe with two bytes\n"
    BOTH 1, KERNEL_IMAGE, 1, ERR_ADDRESS, "kernel\n"
    BOTH 1, KERNEL_BASE - 1, 2, ERR_ADDRESS, "into the kernel\n"
    BOTH 1, 0, 1, ERR_ADDRESS, "null\n"
    BOTH 1, -1, 2, ERR_ADDRESS, "around the end\n"
    BOTH 1, USER_STACK_TOP - 1, 2, ERR_ADDRESS, "last byte unmapped\n"
    BOTH 1, USER_STACK_BASE - 1, 2, ERR_ADDRESS, "first byte unmapped\n"
    BOTH 1, USER_STACK_TOP - 4, -1, ERR_ADDRESS, "much too long\n"
    BOTH 1, KERNEL_IMAGE, 0, 0, "nothing at all\n"
    BOTH 2, text, 1, ERR_PIPE, "no such pipe\n"
    BOTH -1, text, 1, ERR_PIPE, "-1\n"
    BOTH PIPE_MAX + 1, text, 1, ERR_PIPE, "one too many\n"
    CALL_KERNEL SYS_WRITE_PIPE, CONSOLE_INPUT, text, 1
    EXPECT ERR_PIPE, "the console's input\n"
    CALL_KERNEL SYS_READ, 1, _start, 1
    EXPECT ERR_ADDRESS, "read-only\n"
    CALL_KERNEL SYS_READ, 1, text, 100
    EXPECT 2, "and the two bytes are still there\n"
    mov ebp, PIPE_MAX - 1
more:
    CALL_KERNEL SYS_PIPE
    dec ebp
    jnz more
    EXPECT PIPE_MAX, "as many pipes as there can be\n"
    CALL_KERNEL SYS_PIPE
    EXPECT ERR_MEMORY, "and no more\n"
    EXIT 0
wrong:
    SAY "wrong: a read\n"
    EXIT 1

.data
text:
    .space 100
