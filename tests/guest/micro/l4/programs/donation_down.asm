; Does a donation reach a server that is lower than others who are ready, and end with the slice?

.include "../stage.inc"

.text

; main: as in donation, but the server is low.
.global main
main:
    PLAYER server, 50, 2
    mov [server_id], eax
    HEAR ANY_THREAD
    PLAYER client, 200, 6
    PLAYER other, 100, 3
    SLEEP 20
    jmp stage_end

server:
    mov eax, ROOT_TASK
    xor esi, esi
    call ipc_reply_and_wait
    NOTE_TICKS 's'
client:
    mov eax, [server_id]
    xor esi, esi
    call ipc_call
other:
    NOTE_TICKS 'o'

.bss

server_id:
    .space 4
