; Does an undefined instruction end the program?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    ud2
    SAY "went on\n"
