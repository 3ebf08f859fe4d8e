; Is there no gate for the system calls that are made by an exception?

.include "test.inc"

.text

; _start: makes one, with nobody above.
.global _start
_start:
    int VECTOR_GUEST
    SAY "went on\n"
