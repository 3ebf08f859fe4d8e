; Does a nested-task return end the program and nothing else?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    push FLAGS_USER | FLAGS_NT
    popfd
    iretd
    SAY "went on\n"
