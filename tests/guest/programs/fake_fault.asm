; May a program pretend to have a page fault?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    int EXC_PF
    SAY "went on\n"
