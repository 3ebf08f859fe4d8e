; Is CLI privileged?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    cli
    SAY "went on\n"
