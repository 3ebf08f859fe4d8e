; Does a call lend the rest of the slice, and does that not outlast the slice?

.include "../stage.inc"

.text

; main: a client with a long slice, a server with a short one, and another thread.
.global main
main:
    PLAYER server, 100, 2
    mov [server_id], eax
    HEAR ANY_THREAD                     ; the server is about to wait
    PLAYER client, 100, 6
    PLAYER other, 100, 3
    SLEEP 30
    jmp stage_end

server:
    mov eax, ROOT_TASK
    xor esi, esi
    call ipc_reply_and_wait
    NOTE_TICKS 's'
client:
    WAIT_US 1500                        ; two ticks of its own
    mov eax, [server_id]
    xor esi, esi
    call ipc_call
other:
    NOTE_TICKS 'o'

.bss

server_id:
    .space 4
