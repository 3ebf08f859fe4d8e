; Needs nothing but the processor, and all of it; the machine can skip its turns.

.text

; main: computes, for ever.
;   in    EAX = argument string
.global main
main:
    jmp main
