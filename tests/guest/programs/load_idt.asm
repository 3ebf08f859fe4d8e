; Is LIDT privileged?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    lidt [esp]
    SAY "went on\n"
