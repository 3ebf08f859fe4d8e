; Is the port that ends the machine privileged?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, 77
    out DEBUG_EXIT, eax
    SAY "went on\n"
