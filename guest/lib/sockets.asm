; Sockets as routines.
;
; Calling rule as in syscall.asm: arguments in EAX, EDX, ECX, result in EAX, negative if it is an error. SOCKET_NOW may be
; or-ed into EAX: ERR_AGAIN then comes instead of a wait. docs/guest-abi.md says what the calls do.

; A routine does its part of putting the arguments in place; socket_enter does the rest.
.macro SOCKET number
    push ebx
    mov ebx, eax
    mov eax, \number
    jmp socket_enter
.endm

.text

; socket_listen: connections to a TCP port are welcome.
;   in    EAX = port, EDX = connections that may wait to be accepted
;   out   EAX = socket, or an error
.global socket_listen
socket_listen:
    SOCKET SYS_SOCKET_LISTEN

; socket_accept: takes the connection that has waited longest.
;   in    EAX = socket that listens
;   out   EAX = socket of the connection, or an error
.global socket_accept
socket_accept:
    SOCKET SYS_SOCKET_ACCEPT

; socket_connect: begins a connection. It does not wait: reading and writing do.
;   in    EAX = address, its bytes as they are written; EDX = port
;   out   EAX = socket, or an error
.global socket_connect
socket_connect:
    SOCKET SYS_SOCKET_CONNECT

; socket_read: reads what has come.
;   in    EAX = socket, EDX = buffer, ECX = its length
;   out   EAX = bytes, 0 at the end of the stream, or an error
.global socket_read
socket_read:
    SOCKET SYS_SOCKET_READ

; socket_write: writes as much as there is room for.
;   in    EAX = socket, EDX = data, ECX = bytes
;   out   EAX = bytes taken, at least 1, or an error
.global socket_write
socket_write:
    SOCKET SYS_SOCKET_WRITE

; socket_finish: ends our stream; the other one can be read on.
;   in    EAX = socket
;   out   EAX = 0, or an error
.global socket_finish
socket_finish:
    SOCKET SYS_SOCKET_FINISH

; socket_close: a socket is not wanted any more.
;   in    EAX = socket
;   out   EAX = 0, or an error
.global socket_close
socket_close:
    SOCKET SYS_SOCKET_CLOSE

; socket_bind: datagrams to a UDP port are welcome.
;   in    EAX = port
;   out   EAX = socket, or an error
.global socket_bind
socket_bind:
    SOCKET SYS_SOCKET_BIND

; socket_receive: takes the datagram that has waited longest.
;   in    EAX = socket, EDX = DATAGRAM, ECX = bytes of data that it has room for
;   out   EAX = bytes of data, or an error
.global socket_receive
socket_receive:
    SOCKET SYS_SOCKET_RECEIVE

; socket_send: sends a datagram.
;   in    EAX = socket, EDX = DATAGRAM, ECX = bytes of data
;   out   EAX = bytes, or an error
.global socket_send
socket_send:
    SOCKET SYS_SOCKET_SEND

; socket_wait: waits until something happens with one of the program's sockets. A socket is told once for what has
; happened until then; so it should be used until it has nothing more.
;   in    EAX = 0, or SOCKET_NOW
;   out   EAX = socket, or an error
.global socket_wait
socket_wait:
    SOCKET SYS_SOCKET_WAIT

; socket_enter: makes the call.
;   in    EAX = number, EBX = first argument, EDX, ECX = the others; EBX to be kept is on the stack
;   out   EAX = result
socket_enter:
    push esi
    push edi
    mov esi, edx
    mov edi, ecx
    call dword ptr [syscall]
    pop edi
    pop esi
    pop ebx
    ret
