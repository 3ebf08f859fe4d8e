; Can a thread be deleted that is ready, that waits with a timeout, or on whose slice the one runs who deletes it?

.include "../stage.inc"

.text

; main: deletes two of them, the server its client, and the others go on.
.global main
main:
    PLAYER server, 100, 2
    mov [server_id], eax
    HEAR ANY_THREAD
    PLAYER client, 100, 0                   ; its slice, without an end, is lent to the server
    PLAYER ready, 100, 3
    mov [ready_id], eax
    PLAYER sleeper, 200
    mov [sleeper_id], eax
    PLAYER other, 100, 3
    SLEEP 4
    mov eax, [sleeper_id]
    call space_end
    mov eax, [ready_id]
    call space_end
    NOTE '-'
    SLEEP 16
    jmp stage_end

server:
    mov eax, ROOT_TASK
    xor esi, esi
    call ipc_reply_and_wait
    call space_end
    NOTE '.'
    NOTE_TICKS 's'
client:
    mov eax, [server_id]
    xor esi, esi
    call ipc_call
ready:
    NOTE_TICKS 'r'
sleeper:
    SLEEP 10
    NOTE '?'
other:
    NOTE_TICKS 'o'

.bss

server_id:
    .space 4
ready_id:
    .space 4
sleeper_id:
    .space 4
