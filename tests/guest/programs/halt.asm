; Is HLT privileged?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    hlt
    SAY "went on\n"
