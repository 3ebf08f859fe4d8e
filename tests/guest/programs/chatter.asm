; Does a program that does nothing but write lose the processor?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    SAY "a line that takes the console longer than a tick, so that the tick finds the kernel\n"
    jmp _start
