; Does an endless recursion fault below the stack?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    call _start
