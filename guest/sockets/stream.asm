; Sockets of TCP: the calls; see socket_call for what they get, and what they give.

.include "sockets.inc"

.text

; call_listen: SYS_SOCKET_LISTEN.
.global call_listen
call_listen:
    mov eax, ebx
    call socket_port
    jc .Largument
    mov edi, ebx
    cmp esi, SOCKETS_WAITING
    jbe .Lwaiting
    mov esi, SOCKETS_WAITING
.Lwaiting:
    cmp esi, 1
    adc esi, 0                  ; at least one
    mov eax, SOCKET_LISTENER
    mov ecx, esi
    mov edx, SOCKETS_LISTENING
    call socket_new
    jc .Lfull
    mov eax, edi
    mov edx, SOCKETS_HALF
    mov ecx, esi
    call tcp_listen
    jc .Lfree
    mov [eax + LISTENER_OWNER], ebx
    mov [ebx + SOCKET_NET], eax
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

; call_accept: SYS_SOCKET_ACCEPT. The new socket is one with which something has happened: data may have come already.
.global call_accept
call_accept:
    mov esi, [ebx + SOCKET_NET]
    cmp dword ptr [esi + LISTENER_HEAD], 0
    je socket_again
    mov eax, SOCKET_STREAM
    xor ecx, ecx
    mov edx, SOCKETS_OWNED
    call socket_new
    jc .Lfull
    mov eax, esi
    call tcp_accept
    mov [eax + CONN_OWNER], ebx
    mov [ebx + SOCKET_NET], eax
    mov edx, ebx
    call socket_happened
    jmp socket_number
.Lfull:
    mov eax, ERR_FULL
    clc
    ret

; call_connect: SYS_SOCKET_CONNECT. What happens with the socket may happen before tcp_connect returns.
.global call_connect
call_connect:
    mov edi, ebx
    mov eax, esi
    call socket_port
    mov eax, ERR_ARGUMENT
    jc .Lerror
    mov eax, SOCKET_STREAM
    xor ecx, ecx
    mov edx, SOCKETS_OWNED
    call socket_new
    mov eax, ERR_FULL
    jc .Lerror
    mov eax, edi
    mov edx, esi
    mov ecx, ebx
    call tcp_connect
    jc .Lfree
    mov [ebx + SOCKET_NET], eax
    jmp socket_number
.Lfree:
    push eax
    call socket_free
    pop eax
    jmp stream_error
.Lerror:
    clc
    ret

; call_read: SYS_SOCKET_READ.
.global call_read
call_read:
    mov ecx, 1
    call stream_memory
    jc .Lreturn
.Ltry:
    mov byte ptr [ebx + SOCKET_STIRRED], 0
    mov eax, [ebx + SOCKET_NET]
    mov edx, esi
    mov ecx, edi
    call tcp_read
    jc .Lerror
    ret
.Lerror:
    call stream_again
    jz .Ltry
    jc socket_again
.Lreturn:
    clc
    ret

; call_write: SYS_SOCKET_WRITE.
.global call_write
call_write:
    xor ecx, ecx
    call stream_memory
    jc .Lreturn
.Ltry:
    mov byte ptr [ebx + SOCKET_STIRRED], 0
    mov eax, [ebx + SOCKET_NET]
    mov edx, esi
    mov ecx, edi
    call tcp_write
    jc .Lerror
    ret
.Lerror:
    call stream_again
    jz .Ltry
    jc socket_again
.Lreturn:
    clc
    ret

; stream_memory: memory of the program that is to be read or written.
;   in    ESI = address, EDI = length, ECX = 1: write, 0: read
;   out   ESI = where it is, EDI = length, at most TCP_BUFFER; CF set: EAX = what the call gives
stream_memory:
    xor eax, eax
    cmp edi, 1
    jb .Lreturn
    cmp edi, TCP_BUFFER
    jbe .Lcheck
    mov edi, TCP_BUFFER         ; more never goes at a time
.Lcheck:
    mov eax, esi
    mov edx, edi
    call user_memory
    mov esi, eax
    jnc .Lreturn
    mov eax, ERR_ADDRESS
    stc
.Lreturn:
    ret

; stream_again: TCP could not do it. If it told of the socket meanwhile, because something that we have sent to ourselves
; has come in at the end of the call, it can be tried again at once: nobody would tell a second time.
;   in    EBX = SOCKET, EAX = why
;   out   ZF set: try again; else CF set: it has to wait; else EAX = error
stream_again:
    cmp eax, NET_AGAIN
    jne .Lfailed
    cmp byte ptr [ebx + SOCKET_STIRRED], 1
    je .Lreturn
    stc                         ; ZF is clear
.Lreturn:
    ret
.Lfailed:
    call stream_error
    test eax, eax               ; no error is 0
    ret

; stream_error: an error of TCP as the call gives it.
;   in    EAX = NET_RESET or NET_FULL
;   out   EAX = ERR_RESET or ERR_FULL; CF clear
stream_error:
    neg eax
    add eax, ERR_RESET + NET_RESET
    clc
    ret

.assert ERR_RESET + NET_RESET == ERR_FULL + NET_FULL, "stream_error"

; call_finish: SYS_SOCKET_FINISH.
.global call_finish
call_finish:
    mov eax, [ebx + SOCKET_NET]
    call tcp_finish
    xor eax, eax
    ret

; socket_port: can this be a port?
;   in    EAX = number
;   out   CF set: no. All is kept
.global socket_port
socket_port:
    cmp eax, 1
    jb .Lreturn
    cmp eax, 0x10000
    cmc
.Lreturn:
    ret
