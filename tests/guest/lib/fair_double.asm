; What guest/lib/fair.asm is linked with in its test: places to start from and to return to, and some FAIRs.

.text

; start: nothing is run from here.
.global start
start:
    hlt

; back: where routines return to that Python has called.
.global back
back:
    hlt

.bss

.global fairs

.align 4
fairs:
    .space 8 * FAIR_SIZE
