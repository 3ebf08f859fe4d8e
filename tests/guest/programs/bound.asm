; Does BOUND end the program?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, 5
    bound eax, [limits]
    SAY "went on\n"

.rodata
limits:
    .long 0, 4
