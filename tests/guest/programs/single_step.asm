; Does a program that steps itself end?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    push FLAGS_USER | FLAGS_TF
    popfd
    nop
    SAY "went on\n"
