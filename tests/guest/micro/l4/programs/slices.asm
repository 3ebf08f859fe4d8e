; Do equals take turns, each for the ticks of its own slice?

.include "../stage.inc"

.text

; main: three that note every tick.
.global main
main:
    PLAYER a, 100, 3
    PLAYER b, 100, 5
    PLAYER c, 100, 1
    SLEEP 27
    jmp stage_end

a:
    NOTE_TICKS 'a'
b:
    NOTE_TICKS 'b'
c:
    NOTE_TICKS 'c'
