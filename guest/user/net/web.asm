; A small web server: HTTP/1.0 and 1.1 (RFC 9110, RFC 9112), GET and HEAD, a few pages that are part of it.
;
; A client's turn hears a request (http_request.asm) or sends the reply (http_reply.asm). Requests may come one behind the
; other without waiting for replies: what has come stays in the buffer until the reply before has gone. Whoever sends what
; is no request gets told so, and the connection ends.

PORT = 80
WORK_ROUNDS = 256               ; of some cycles each: one piece of what a page takes
PARTING_MAX = 65536             ; bytes that a client may go on sending when our stream has ended

.text

; main: serves.
;   in    EAX = argument string: maybe a port, or 0, and what a page takes, in WORK_ROUNDS; what follows is for `serve`
;   out   EAX = exit code
.global main
main:
    push ebx
    push esi
    push edi
    push ebp
    call argument_next
    mov esi, eax
    call argument_next
    mov edi, eax
    call argument_number
    mov [work], eax
    mov eax, edi
    call argument_next
    mov edi, eax
    mov eax, esi
    call argument_number
    test eax, eax
    jnz .Lport
    mov eax, PORT
.Lport:
    mov edx, SOCKETS_WAITING
    call socket_listen
    test eax, eax
    js .Lerror
    mov edx, listen_turn
    mov ecx, SEAT_STAYS
    call seat_new
    mov eax, edi
    call serve
.Lerror:
    mov eax, text_port
    call print_string
    mov eax, 1
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; listen_turn: the turn of the socket that listens.
listen_turn:
    mov edx, hear_turn
    jmp seat_accept

; hear_turn: the turn of a client who is to ask for something.
hear_turn:
    call request_find
    jnc .Lrequest
    mov edx, [ebx + SEAT_HAVE]
    mov ecx, SEAT_ROOM
    sub ecx, edx
    jz .Lrequest                ; too long: request_read will say so
    mov eax, [ebx + SEAT_SOCKET]
    or eax, SOCKET_NOW
    lea edx, [ebx + SEAT_BUFFER + edx]
    call socket_read
    cmp eax, ERR_AGAIN
    je .Lwait
    test eax, eax
    jle seat_leave              ; the end, or an error
    add [ebx + SEAT_HAVE], eax
    call request_find
    jc .Lmore
.Lrequest:
    call request_read
    call page_make
    mov dword ptr [ebx + SEAT_STATE], SEAT_SPEAKS
    mov dword ptr [ebx + SEAT_TURN], speak_turn
    call seat_moved
    jmp speak_turn
.Lmore:
    stc
    ret
.Lwait:
    clc
    ret

; page_make: what has to be computed for a page: nothing that is ever seen.
;   out   EBX is kept
page_make:
    imul ecx, [work], WORK_ROUNDS
    jecxz .Lreturn
.Lround:
    dec ecx
    jnz .Lround
.Lreturn:
    ret

; speak_turn: the turn of a client who is being answered.
speak_turn:
    call reply_send
    jz .Lsent
    cmp eax, ERR_AGAIN
    je .Lwait
    test eax, eax
    js seat_leave
    call seat_moved
    stc
    ret
.Lwait:
    clc
    ret
.Lsent:
    call seat_moved
    test dword ptr [ebx + SEAT_FLAGS], REPLY_KEEP
    jz .Lend
    call request_forget
    mov dword ptr [ebx + SEAT_STATE], SEAT_HEARS
    mov dword ptr [ebx + SEAT_TURN], hear_turn
    stc
    ret
.Lend:
    mov eax, [ebx + SEAT_SOCKET]
    call socket_finish
    mov dword ptr [ebx + SEAT_STATE], SEAT_ENDS
    mov dword ptr [ebx + SEAT_TURN], end_turn
    mov dword ptr [ebx + SEAT_HAVE], 0

; end_turn: the turn of a client to whom we say nothing more. What he still says is thrown away until he has ended his
; stream, too: to close before would reset the connection, and the reply might be lost.
end_turn:
    mov eax, [ebx + SEAT_SOCKET]
    or eax, SOCKET_NOW
    lea edx, [ebx + SEAT_BUFFER]
    mov ecx, SEAT_ROOM
    call socket_read
    cmp eax, ERR_AGAIN
    je .Lwait
    test eax, eax
    jle seat_leave
    add [ebx + SEAT_HAVE], eax
    cmp dword ptr [ebx + SEAT_HAVE], PARTING_MAX
    ja seat_leave
    stc
    ret
.Lwait:
    clc
    ret

.rodata

text_port:
    .asciz "web: the port is taken\n"

.bss

.align 4
work:                           ; pieces that a page takes
    .space 4
