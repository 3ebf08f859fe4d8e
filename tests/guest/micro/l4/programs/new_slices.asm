; What slice has a new thread, and which priority?

.include "../stage.inc"

.text

; main: two new threads, and one that would run before them if their priority were lower.
.global main
main:
    PLAYER a
    PLAYER b
    PLAYER c, PRIORITY_NEW - 1
    SLEEP 35
    jmp stage_end

a:
    NOTE_TICKS 'a'
b:
    NOTE_TICKS 'b'
c:
    NOTE_TICKS 'c'
