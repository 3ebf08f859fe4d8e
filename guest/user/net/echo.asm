; Sends back what comes, by TCP and by UDP (RFC 862).

ECHO = 7                        ; port

.text

; main: serves.
;   in    EAX = argument string: maybe a port
;   out   EAX = exit code
.global main
main:
    push ebx
    push esi
    push edi
    push ebp
    call argument_next
    call argument_number
    test eax, eax
    jnz .Lport
    mov eax, ECHO
.Lport:
    mov esi, eax
    mov edx, SOCKETS_WAITING
    call socket_listen
    test eax, eax
    js .Lerror
    mov edx, listen_turn
    mov ecx, SEAT_STAYS
    call seat_new
    mov eax, esi
    call socket_bind
    test eax, eax
    js .Lerror
    mov [port], esi
    mov edx, datagram_turn
    mov ecx, SEAT_STAYS
    call seat_new
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
    mov edx, talk_turn
    jmp seat_accept

; talk_turn: the turn of a client: something is sent back, or if all has been, something is read.
talk_turn:
    mov ecx, [ebx + SEAT_HAVE]
    sub ecx, [ebx + SEAT_SENT]
    jnz .Lwrite
    mov eax, [ebx + SEAT_SOCKET]
    or eax, SOCKET_NOW
    lea edx, [ebx + SEAT_BUFFER]
    mov ecx, SEAT_ROOM
    call socket_read
    cmp eax, ERR_AGAIN
    je .Lwait
    test eax, eax
    jle seat_leave              ; the end, or an error
    mov dword ptr [ebx + SEAT_STATE], SEAT_SPEAKS
    mov [ebx + SEAT_HAVE], eax
    mov dword ptr [ebx + SEAT_SENT], 0
    mov ecx, eax
.Lwrite:
    mov eax, [ebx + SEAT_SOCKET]
    or eax, SOCKET_NOW
    mov edx, [ebx + SEAT_SENT]
    lea edx, [ebx + SEAT_BUFFER + edx]
    call socket_write
    cmp eax, ERR_AGAIN
    je .Lwait
    test eax, eax
    js seat_leave
    add eax, [ebx + SEAT_SENT]
    mov [ebx + SEAT_SENT], eax
    cmp eax, [ebx + SEAT_HAVE]
    jne .Lmoved
    mov dword ptr [ebx + SEAT_STATE], SEAT_HEARS
.Lmoved:
    call seat_moved
    stc
    ret
.Lwait:
    clc
    ret

; datagram_turn: the turn of the UDP socket: a datagram goes back to where it comes from. Those from our own port do not:
; somebody who echoes, too, would never let us go.
datagram_turn:
    mov eax, [ebx + SEAT_SOCKET]
    or eax, SOCKET_NOW
    mov edx, datagram
    mov ecx, UDP_MAX
    call socket_receive
    test eax, eax
    js .Lwait
    mov ecx, [datagram + DATAGRAM_PORT]
    cmp ecx, [port]
    je .Lmore
    mov ecx, eax
    mov eax, [ebx + SEAT_SOCKET]
    mov edx, datagram
    call socket_send            ; one that cannot go is lost
.Lmore:
    stc
    ret
.Lwait:
    clc
    ret

.rodata

text_port:
    .asciz "echo: the port is taken\n"

.bss

.align 4
port:                           ; ours
    .space 4
datagram:                       ; DATAGRAM
    .space DATAGRAM_SIZE + UDP_MAX
