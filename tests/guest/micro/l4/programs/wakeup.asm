; Does a thread that wakes preempt a lower one at once, and an equal one not?

.include "../stage.inc"

.text

; main: two sleepers, one above the one who works and one beside it.
.global main
main:
    PLAYER above, 101
    PLAYER beside, 100
    PLAYER worker, 100, 8
    SLEEP 20
    jmp stage_end

worker:
    NOTE_TICKS 'w'
above:
    SLEEP 2
    NOTE 'A'
    jmp above
beside:
    SLEEP 2
    NOTE 'B'
    HEAR ROOT_TASK
