; Does a program that never yields lose the processor?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    jmp _start
