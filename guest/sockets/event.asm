; What happens with sockets, and who waits for it.
;
; Sockets with which something has happened since SYS_SOCKET_WAIT has told of them wait in a queue, one for each program:
; a ring of SOCKET_LINK forwards and SOCKET_BACK backwards, of which the account's ACCOUNT_FIRST and ACCOUNT_LAST are a part.

.include "sockets.inc"

AS_SOCKET = ACCOUNT_FIRST - SOCKET_LINK         ; an ACCOUNT as a part of its ring

.text

; net_wake: the network tells of a connection or listener.
;   in    EAX = LISTENER or CONN
.global net_wake
net_wake:
    mov edx, [eax + CONN_OWNER]
    test edx, edx
    jnz socket_tell
    ret                         ; nobody has accepted it

; socket_tell: something has happened with a socket, and its owner may wait for that.
;   in    EDX = SOCKET
.global socket_tell
socket_tell:
    mov byte ptr [edx + SOCKET_STIRRED], 1
    call socket_happened
    mov eax, [edx + SOCKET_OWNER]
    jmp socket_wake

; socket_happened: SYS_SOCKET_WAIT will tell of a socket.
;   in    EDX = SOCKET
;   out   EDX is kept
.global socket_happened
socket_happened:
    cmp dword ptr [edx + SOCKET_BACK], 0
    jne .Lreturn
    mov ecx, [edx + SOCKET_ACCOUNT]
    mov eax, [ecx + ACCOUNT_LAST]
    mov [ecx + ACCOUNT_LAST], edx
    mov [eax + SOCKET_LINK], edx
    mov [edx + SOCKET_BACK], eax
    add ecx, AS_SOCKET
    mov [edx + SOCKET_LINK], ecx
.Lreturn:
    ret

; call_wait: SYS_SOCKET_WAIT; see socket_call for what it gets, and what it gives.
.global call_wait
call_wait:
    mov [socket_now], ebx
    and ebx, SOCKET_NOW - 1     ; all but the flag
    jnz .Largument
    call account_find
    jc socket_again             ; EBX is 0: any
    lea eax, [esi + AS_SOCKET]
    mov ecx, [esi + ACCOUNT_FIRST]
    cmp ecx, eax
    je socket_again
    mov ebx, ecx
    mov eax, ecx
    call socket_forget
    jmp socket_number
.Largument:
    mov eax, ERR_ARGUMENT
    clc
    ret

; socket_forget: SYS_SOCKET_WAIT need not tell of a socket any more.
;   in    EAX = SOCKET
.global socket_forget
socket_forget:
    mov ecx, [eax + SOCKET_BACK]
    jecxz .Lreturn
    mov dword ptr [eax + SOCKET_BACK], 0
    mov edx, [eax + SOCKET_LINK]
    mov [ecx + SOCKET_LINK], edx
    mov [edx + SOCKET_BACK], ecx
.Lreturn:
    ret

.assert SOCKET_BACK - SOCKET_LINK == ACCOUNT_LAST - ACCOUNT_FIRST, "a ring of both"
