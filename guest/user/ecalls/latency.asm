; How soon does a program hear of a datagram? It hears of it in the way that its argument says; `heard` is the first instruction
; that knows.
;
;     latency METHODS
;
; METHODS is a sum of METHOD_ bits, by which the I/O event module tells; 0: it waits for the module's flag alone. Without an
; argument, the program waits in SYS_SOCKET_RECEIVE.

.text

; main: hears, for ever.
;   in    EAX = argument string
;   out   EAX = 1: it could not begin
.global main
main:
    push ebx
    push esi
    push edi
    call argument_next
    mov esi, eax
    mov eax, PORT
    call socket_bind
    test eax, eax
    js .Lend
    mov [socket], eax
    cmp byte ptr [esi], 0
    je receive
    mov eax, esi
    call argument_number
    mov [registration + REGISTRATION_METHODS], eax
    mov eax, SIGRTMIN
    mov edx, heard_signal
    call signal_handle
    test eax, eax
    js .Lend
    mov eax, text_io
    mov edx, registration
    call ecalls_register
    test eax, eax
    jnz .Lend                   ; it is the first channel

    ; We want to know of the socket.
    mov ecx, [socket]
    bts dword ptr [ECALL_TELL + SOCKET_INTEREST_FD_LIST], ecx
    bts dword ptr [ECALL_TELL + SOCKET_INTEREST_UPDATED_FD_LIST], ecx
    inc dword ptr [ECALL_TELL + SOCKET_INTEREST_FLAG]
    xor eax, eax
    xor edx, edx
    call ecall_fast
    test dword ptr [registration + REGISTRATION_METHODS], METHOD_USER
    jnz handled
    test dword ptr [registration + REGISTRATION_METHODS], METHOD_SIGNAL
    jnz signalled
    jmp waited
.Lend:
    mov eax, 1
    pop edi
    pop esi
    pop ebx
    ret

; receive: waits for datagrams themselves.
receive:
    mov eax, [socket]
    call take
    call heard
    jmp receive

; waited: waits for the module's flag.
waited:
    xor eax, eax
    call ecalls_wait
    call heard
    call drain
    jmp waited

; signalled: waits for a signal, whose handler hears.
signalled:
    xor eax, eax
    xor edx, edx
    call sigsuspend
    call drain
    jmp signalled

; handled: the user handler hears; what has come is taken now and then, by the program.
handled:
    mov eax, 1
    call sys_sleep
    call drain
    jmp handled

heard_handler:
    call heard
    call seen
    xor eax, eax                ; FILTER_DROP
    jmp ecall_return

heard_signal:
heard:
    inc dword ptr [times]
    ret

; seen: resets the module's bit, so that it tells of those that come from now on.
seen:
    mov ecx, [socket]
    btr dword ptr [ECALL_HEAR + SOCKET_READY_FD_ACTIVE], ecx
    jnc .Lreturn
    dec dword ptr [ECALL_HEAR + SOCKET_READY_FLAG]
.Lreturn:
    ret

; drain: takes all datagrams.
drain:
    call seen
.Lnext:
    mov eax, [socket]
    or eax, SOCKET_NOW
    call take
    test eax, eax
    jns .Lnext
    ret

; take: takes a datagram.
;   in    EAX = socket, perhaps with SOCKET_NOW
;   out   EAX = bytes, or an error
take:
    mov edx, datagram
    mov ecx, ROOM
    jmp socket_receive

PORT = 7
ROOM = 64                       ; bytes of a datagram

.data

.align 4
registration:                   ; REGISTRATION
    .long 0, heard_handler, handler_stack, SIGRTMIN

.rodata

text_io:
    .asciz "io"

.bss

.align 16
    .space 512
handler_stack:
socket:
    .space 4
times:                          ; that it has heard
    .space 4
datagram:
    .space DATAGRAM_SIZE + ROOM
