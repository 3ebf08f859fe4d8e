; Does ThreadSwitch to nobody let equals run first, and only those?

.include "../stage.inc"

.text

; main: three equals and a lower one.
.global main
main:
    PLAYER a, 100
    PLAYER b, 100
    PLAYER c, 100
    PLAYER lower, 99
    SLEEP 5
    jmp stage_end

.macro TURNS letter
.rept 3
    NOTE \letter
    mov eax, NIL_THREAD
    call thread_switch
.endr
    HEAR ROOT_TASK
.endm

a:
    TURNS 'a'
b:
    TURNS 'b'
c:
    TURNS 'c'
lower:
    NOTE 'l'
    HEAR ROOT_TASK
