; Is a number that no system call has answered with an error?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL ACT_CALLS
    EXPECT ERR_CALL, "next number\n"
    CALL_KERNEL 0x40000000
    EXPECT ERR_CALL, "a number whose fourfold is 0\n"
    CALL_KERNEL -1
    EXPECT ERR_CALL, "-1\n"
    EXIT 0
