; TCP: what users of it call, beside tcp_connect. None of these waits: NET_AGAIN says that net_wake will tell.

.include "net/tcp.inc"

TELL = 2 * TCP_MSS              ; room that has come back and is worth telling the peer of

.text

; tcp_listen: connections to a port are welcome.
;   in    EAX = port, not 0; EDX = connections that may be half open; ECX = those that may wait to be accepted
;   out   EAX = LISTENER; CF set: EAX = NET_FULL
.global tcp_listen
tcp_listen:
    push ebx
    push edx
    call listener_find
    jnc .Lfull
    mov edx, eax
    xor eax, eax
    call listener_find
    jc .Lfull
    mov [ebx + LISTENER_PORT], edx
    mov [ebx + LISTENER_OWNER], eax
    mov [ebx + LISTENER_HALF_COUNT], eax
    mov [ebx + LISTENER_COUNT], eax
    mov [ebx + LISTENER_HEAD], eax
    mov [ebx + LISTENER_LIMIT], ecx
    pop edx
    mov [ebx + LISTENER_HALF_LIMIT], edx
    mov eax, ebx
    pop ebx
    clc
    ret
.Lfull:
    pop edx
    pop ebx
    mov eax, NET_FULL
    stc
    ret

; tcp_accept: takes the connection that has waited longest.
;   in    EAX = LISTENER
;   out   EAX = CONN; CF set: EAX = NET_AGAIN
.global tcp_accept
tcp_accept:
    mov edx, [eax + LISTENER_HEAD]
    test edx, edx
    jz .Lagain
    dec dword ptr [eax + LISTENER_COUNT]
    mov ecx, [edx + CONN_LINK]
    mov [eax + LISTENER_HEAD], ecx
    mov eax, edx
    clc
    ret
.Lagain:
    mov eax, NET_AGAIN
    stc
    ret

; tcp_ignore: connections to a port are not welcome any more; those that nobody has accepted are aborted.
;   in    EAX = LISTENER, which is gone then
.global tcp_ignore
tcp_ignore:
    push ebx
    mov ebx, eax
    mov dword ptr [ebx + LISTENER_PORT], 0
    call half_drop
.Lnext:
    mov eax, ebx
    call tcp_accept
    jc .Lreturn
    push ebx
    mov ebx, eax
    call conn_abort
    pop ebx
    jmp .Lnext
.Lreturn:
    pop ebx
    jmp loop_drain

; tcp_read: reads what has come.
;   in    EAX = CONN, EDX = buffer, ECX = its length, not 0
;   out   EAX = bytes, 0 at the end of the peer's stream; CF set: EAX = error
.global tcp_read
tcp_read:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov edi, edx
    call conn_unread
    jz .Lnothing
    cmp ecx, eax
    jbe .Lcopy
    mov ecx, eax
.Lcopy:
    push ecx
    mov eax, [ebx + CONN_READ]
    add [ebx + CONN_READ], ecx
    mov esi, [ebx + CONN_RECEIVE]
    call ring_get
    cmp dword ptr [ebx + CONN_STATE], TCP_FIN_WAIT_2
    ja .Ltold                   ; the peer sends no more
    mov eax, [ebx + CONN_READ]
    add eax, TCP_BUFFER
    sub eax, [ebx + CONN_EDGE]
    cmp eax, TELL
    jl .Ltold
    call tcp_ack
.Ltold:
    pop eax
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    jmp loop_drain
.Lnothing:
    cmp dword ptr [ebx + CONN_FIN], 0
    jne .Lreturn                ; EAX and CF are 0
    mov eax, NET_AGAIN
    cmp dword ptr [ebx + CONN_STATE], TCP_ENDED
    jne .Lerror
    mov eax, NET_RESET
.Lerror:
    stc
    jmp .Lreturn

; tcp_write: writes to our stream as much as there is room for.
;   in    EAX = CONN, EDX = data, ECX = bytes, not 0
;   out   EAX = bytes taken, at least 1; CF set: EAX = error
.global tcp_write
tcp_write:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov eax, [ebx + CONN_STATE]
    cmp eax, TCP_ESTABLISHED
    je .Lopen
    cmp eax, TCP_SYN_SENT
    je .Lagain
    cmp eax, TCP_CLOSE_WAIT
    mov eax, NET_RESET
    jne .Lerror
.Lopen:
    mov eax, [ebx + CONN_UNA]
    add eax, TCP_BUFFER
    sub eax, [ebx + CONN_END]           ; room
    jz .Lagain
    cmp ecx, eax
    jbe .Lcopy
    mov ecx, eax
.Lcopy:
    push ecx
    mov eax, [ebx + CONN_END]
    add [ebx + CONN_END], ecx
    mov edi, [ebx + CONN_SEND]
    call ring_put
    call tcp_output
    pop eax
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    jmp loop_drain
.Lagain:
    mov eax, NET_AGAIN
.Lerror:
    stc
    jmp .Lreturn

; tcp_finish: ends our stream; what has been written still goes. The peer's can be read on.
;   in    EAX = CONN
.global tcp_finish
tcp_finish:
    push ebx
    mov ebx, eax
    call conn_finish
    pop ebx
    jmp loop_drain

; conn_finish: the same, inside another call.
;   in    EBX = CONN
conn_finish:
    mov eax, [ebx + CONN_STATE]
    mov edx, TCP_FIN_WAIT_1
    cmp eax, TCP_ESTABLISHED
    je .Lopen
    mov edx, TCP_LAST_ACK
    cmp eax, TCP_CLOSE_WAIT
    je .Lopen
    cmp eax, TCP_SYN_SENT
    jne .Lreturn
    mov dword ptr [ebx + CONN_FINISH], 1        ; as soon as it is established
.Lreturn:
    ret
.Lopen:
    mov [ebx + CONN_STATE], edx
    mov dword ptr [ebx + CONN_FINISH], 1
    jmp tcp_output

; tcp_close: nobody wants a connection any more. What has been written still goes; if something has come that was not
; read, the peer is told by a reset.
;   in    EAX = CONN, which is gone then
.global tcp_close
tcp_close:
    push ebx
    mov ebx, eax
    cmp dword ptr [ebx + CONN_STATE], TCP_ENDED
    je .Labort
    cmp dword ptr [ebx + CONN_STATE], TCP_SYN_SENT
    je .Labort
    call conn_unread
    jnz .Labort
    mov dword ptr [ebx + CONN_CLOSED], 1
    call conn_finish
    mov eax, [ebx + CONN_STATE]
    cmp eax, TCP_FIN_WAIT_2
    je .Lopen
    cmp eax, TCP_TIME_WAIT
    jne .Lreturn
    call conn_time_wait         ; from now on
    jmp .Lreturn
.Lopen:
    call conn_fin_wait
.Lreturn:
    pop ebx
    jmp loop_drain
.Labort:
    call conn_abort
    jmp .Lreturn

; tcp_abort: ends a connection at once.
;   in    EAX = CONN, which is gone then
.global tcp_abort
tcp_abort:
    push ebx
    mov ebx, eax
    call conn_abort
    pop ebx
    jmp loop_drain

; conn_abort: the same, inside another call.
;   in    EBX = CONN
conn_abort:
    mov dword ptr [ebx + CONN_CLOSED], 1
    cmp dword ptr [ebx + CONN_ADDRESS], 0
    je conn_over
    cmp dword ptr [ebx + CONN_STATE], TCP_SYN_SENT
    je conn_over                ; if the peer answers, it is refused
    call tcp_send_reset
    jmp conn_over

; conn_unread: how much has come that was not read?
;   in    EBX = CONN
;   out   EAX = bytes, ZF tells whether 0, CF clear. ECX, EDX are kept
conn_unread:
    mov eax, [ebx + CONN_GOT]
    sub eax, [ebx + CONN_READ]
    sub eax, [ebx + CONN_FIN]
    test eax, eax
    ret
