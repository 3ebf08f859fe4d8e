; Is a port read privileged?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    in al, PIC1_DATA
    SAY "went on\n"
