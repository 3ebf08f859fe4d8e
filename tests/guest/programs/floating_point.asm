; Is floating point off?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    fninit
    SAY "went on\n"
