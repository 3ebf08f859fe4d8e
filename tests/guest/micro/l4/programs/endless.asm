; Does a slice without an end keep equals away, but not a higher thread?

.include "../stage.inc"

.text

; main: the first never gives up the processor; itself, it is higher.
.global main
main:
    PLAYER a, 100, 0
    PLAYER b, 100, 5
    SLEEP 30
    jmp stage_end

a:
    NOTE_TICKS 'a'
b:
    NOTE_TICKS 'b'
