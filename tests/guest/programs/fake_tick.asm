; May a program pretend to be the timer?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    int VECTOR_IRQ0
    SAY "went on\n"
