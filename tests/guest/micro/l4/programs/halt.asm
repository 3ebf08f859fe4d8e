; May the root task execute HLT, as in the kernel without a scheduler?

.include "../stage.inc"

.text

; main: does, and faults.
.global main
main:
    hlt
    NOTE '?'
    jmp stage_end
