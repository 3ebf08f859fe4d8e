; Does the exit code of the first program become the machine's?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    EXIT 3
