; Does ThreadSwitch give the rest of the slice to a thread, though others wait longer or are higher?

.include "../stage.inc"

.text

; main: the first gives its slice to the last, which is low.
.global main
main:
    PLAYER first, 100, 6
    PLAYER second, 100, 2
    PLAYER last, 50
    mov [last_id], eax
    SLEEP 20
    jmp stage_end

first:
    WAIT_US 1500
    mov eax, [last_id]
    call thread_switch
    NOTE_TICKS 'f'
second:
    NOTE_TICKS 's'
last:
    NOTE_TICKS 'l'

.bss

last_id:
    .space 4
