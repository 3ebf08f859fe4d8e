; Does the highest of those that are ready run first, whoever was made first?

.include "../stage.inc"

.text

; main: three threads, which run when it waits.
.global main
main:
    PLAYER low, 10
    PLAYER high, 200
    PLAYER middle, 100
    NOTE '-'
    HEAR ANY_THREAD
    HEAR ANY_THREAD
    HEAR ANY_THREAD
    jmp stage_end

low:
    NOTE 'l'
    TELL ROOT_TASK
    HEAR ROOT_TASK
middle:
    NOTE 'm'
    TELL ROOT_TASK
    HEAR ROOT_TASK
high:
    NOTE 'h'
    TELL ROOT_TASK
    HEAR ROOT_TASK
