; Is a program that does not fit into memory refused?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    SAY "went on\n"
    EXIT 0

.bss
    .space 0x04000000
