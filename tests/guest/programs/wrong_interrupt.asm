; Does an interrupt that has no gate end the program?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    int VECTOR_SYSCALL + 1
    SAY "went on\n"
