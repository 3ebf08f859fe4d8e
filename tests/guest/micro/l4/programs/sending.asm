; Who goes on when a message sets another thread going and its sender can go on, too?

.include "../stage.inc"

.text

; main: a thread of priority 100 that sends to others, which wait for it.
.global main
main:
    PLAYER high, 150
    mov [high_id], eax
    PLAYER equal, 100
    mov [equal_id], eax
    PLAYER granted, 100
    mov [granted_id], eax
    PLAYER low, 50
    mov [low_id], eax
    SLEEP 1                             ; so that all of them wait
    PLAYER sender, 100
    SLEEP 5
    jmp stage_end

; GRANT to: sends a message without words, and lets the receiver go on.
.macro GRANT to
    mov eax, \to
    mov esi, TAG_GRANT
    call ipc_send
.endm

sender:
    NOTE '1'
    TELL [high_id]
    NOTE '2'
    TELL [equal_id]
    NOTE '3'
    GRANT [granted_id]
    NOTE '4'
    GRANT [low_id]
    NOTE '5'
    HEAR ROOT_TASK
high:
    HEAR ANY_THREAD
    NOTE 'h'
    HEAR ROOT_TASK
equal:
    HEAR ANY_THREAD
    NOTE 'e'
    HEAR ROOT_TASK
granted:
    HEAR ANY_THREAD
    NOTE 'g'
    HEAR ROOT_TASK
low:
    HEAR ANY_THREAD
    NOTE 'l'
    HEAR ROOT_TASK

.bss

high_id:
    .space 4
equal_id:
    .space 4
granted_id:
    .space 4
low_id:
    .space 4
