; Who runs when a thread deletes itself: the highest, not merely the one who hears of it?

.include "../stage.inc"

.text

; main: a high thread deletes itself while a low one waits to send to it, and a middle one is ready.
.global main
main:
    PLAYER high, 200
    mov [high_id], eax
    PLAYER low, 50
    SLEEP 3                             ; so that low waits
    PLAYER middle, 100
    TELL [high_id]
    SLEEP 2
    jmp stage_end

high:
    HEAR ROOT_TASK
    NOTE 'h'
    MYSELF eax
    call space_end
low:
    TELL [high_id]
    NOTE 'l'
    HEAR ROOT_TASK
middle:
    NOTE 'm'
    HEAR ROOT_TASK

.bss

high_id:
    .space 4
