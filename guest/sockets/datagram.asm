; Sockets of UDP: the calls, and datagrams that wait; see socket_call for what the calls get, and what they give.
;
; Owns the MAILs. What has come waits in the ring of its socket, a DATAGRAM with its data behind it, and is lost if there
; is no room.

.include "sockets.inc"

.text

; call_bind: SYS_SOCKET_BIND.
.global call_bind
call_bind:
    mov eax, ebx
    call socket_port
    jc .Largument
    mov edi, ebx
    mov eax, SOCKET_DATAGRAMS
    xor ecx, ecx
    mov edx, SOCKETS_BOUND
    call socket_new
    jc .Lfull
    call mail_new
    jc .Lfree
    mov eax, edi
    mov edx, mail_input
    mov ecx, ebx
    call udp_bind
    jc .Lfree
    mov [ebx + SOCKET_NET], edi
    mov [ebx + SOCKET_MAIL], esi
    mov [esi + MAIL_SOCKET], ebx
    jmp socket_number
.Lfree:
    call socket_free
.Lfull:
    mov eax, ERR_FULL
    clc
    ret
.Largument:
    mov eax, ERR_ARGUMENT
    clc
    ret

; mail_new: a free MAIL, empty.
;   out   ESI = MAIL; CF set: none
mail_new:
    mov esi, mails
    mov eax, mail_rings
.Lnext:
    cmp dword ptr [esi + MAIL_SOCKET], 0
    je .Lfree
    add eax, TCP_BUFFER
    add esi, MAIL_SIZE
    cmp esi, mails_behind
    jb .Lnext
    stc
    ret
.Lfree:
    mov [esi + MAIL_RING], eax
    xor eax, eax
    mov [esi + MAIL_FIRST], eax
    mov [esi + MAIL_END], eax
    mov [esi + MAIL_LOST], eax
    ret                         ; CF is clear

; socket_unbind: the end of a socket's port.
;   in    EBX = SOCKET
.global socket_unbind
socket_unbind:
    mov eax, [ebx + SOCKET_MAIL]
    mov dword ptr [eax + MAIL_SOCKET], 0
    mov eax, [ebx + SOCKET_NET]
    jmp udp_unbind

; mail_input: a datagram has come.
;   in    EAX = sender's address, EDX = pair of ports, ESI = data, ECX = bytes, EBX = SOCKET
mail_input:
    push esi
    push edi
    push ebp
    mov ebp, [ebx + SOCKET_MAIL]
    mov edi, TCP_BUFFER
    add edi, [ebp + MAIL_FIRST]
    sub edi, [ebp + MAIL_END]
    sub edi, ecx
    cmp edi, DATAGRAM_SIZE
    jl .Llost
    push ecx                    ; the head, from its end
    shr edx, 16
    push edx
    push eax
    mov edx, esi
    mov esi, esp
    push edx
    mov ecx, DATAGRAM_SIZE
    call mail_put
    pop esi
    mov ecx, [esp + DATAGRAM_LENGTH]
    add esp, DATAGRAM_SIZE
    call mail_put
    mov edx, ebx
    call socket_tell
.Lreturn:
    pop ebp
    pop edi
    pop esi
    ret
.Llost:
    inc dword ptr [ebp + MAIL_LOST]
    jmp .Lreturn

.assert DATAGRAM_ADDRESS == 0 && DATAGRAM_PORT == 4 && DATAGRAM_LENGTH == 8, "mail_input pushes these"

; mail_put: appends bytes to what waits.
;   in    EBP = MAIL with room for them, ESI = bytes, ECX = how many
;   out   EDI, ESI are destroyed
mail_put:
    mov eax, [ebp + MAIL_END]
    add [ebp + MAIL_END], ecx
    mov edi, [ebp + MAIL_RING]
    jmp ring_put

; mail_get: takes bytes off what waits.
;   in    EBP = MAIL that has them, EDI = where they go, ECX = how many
;   out   EDI is behind them; ESI is destroyed
mail_get:
    mov eax, [ebp + MAIL_FIRST]
    add [ebp + MAIL_FIRST], ecx
    mov esi, [ebp + MAIL_RING]
    jmp ring_get

; call_receive: SYS_SOCKET_RECEIVE.
.global call_receive
call_receive:
    cmp edi, UDP_MAX
    jbe .Lcheck
    mov edi, UDP_MAX
.Lcheck:
    mov eax, esi
    lea edx, [edi + DATAGRAM_SIZE]
    mov ecx, 1
    call user_memory
    jc .Laddress
    mov ebp, [ebx + SOCKET_MAIL]
    mov edx, [ebp + MAIL_FIRST]
    cmp edx, [ebp + MAIL_END]
    je socket_again
    mov ebx, eax
    push edi
    mov edi, eax
    mov ecx, DATAGRAM_SIZE
    call mail_get
    pop ecx
    mov eax, [ebx + DATAGRAM_LENGTH]
    cmp ecx, eax
    jbe .Lroom
    mov ecx, eax
.Lroom:
    push ecx
    sub eax, ecx
    push eax                    ; what is lost
    call mail_get
    pop eax
    add [ebp + MAIL_FIRST], eax
    pop eax
    clc
    ret
.Laddress:
    mov eax, ERR_ADDRESS
    clc
    ret

; call_send: SYS_SOCKET_SEND.
.global call_send
call_send:
    cmp edi, UDP_MAX
    ja .Largument
    mov eax, esi
    lea edx, [edi + DATAGRAM_SIZE]
    xor ecx, ecx
    call user_memory
    jc .Laddress
    mov esi, eax
    mov eax, [esi + DATAGRAM_PORT]
    call socket_port
    jc .Largument
    mov edx, [ebx + SOCKET_NET]
    shl edx, 16
    or edx, eax
    mov eax, [esi + DATAGRAM_ADDRESS]
    add esi, DATAGRAM_SIZE
    mov ecx, edi
    call udp_send
    mov eax, edi
    jnc .Lreturn
    mov eax, ERR_RESET
    clc
.Lreturn:
    ret
.Laddress:
    mov eax, ERR_ADDRESS
    clc
    ret
.Largument:
    mov eax, ERR_ARGUMENT
    clc
    ret

.bss

.global mails

.align 4
mails:                          ; MAILs
    .space MAILS * MAIL_SIZE
mails_behind:
mail_rings:                     ; MAIL_RING of each
    .space MAILS * TCP_BUFFER
