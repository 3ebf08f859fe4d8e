; TCP: a segment of a connection (RFC 9293, 3.10.7.4). Data that do not follow at once are dropped: the peer sends again.

.include "net/tcp.inc"

.text

; tcp_segment: looks at the segment of a connection.
;   in    EBX = connection, the segment in seg_*
.global tcp_segment
tcp_segment:
    mov esi, [seg_seq]
    sub esi, [ebx + CONN_GOT]           ; how far it is ahead
    mov edi, [seg_flags]
    test edi, TCP_RST
    jnz tcp_reset
    test edi, TCP_SYN
    jnz tcp_again
    test edi, TCP_ACK
    jz .Lwindow
    cmp dword ptr [ebx + CONN_STATE], TCP_TIME_WAIT
    je tcp_late
    cmp esi, TCP_BUFFER
    jge .Lwindow
    cmp esi, -0xffff
    jl .Lwindow

    xor ebp, ebp                ; not 0: it has, or had, data or FIN
    mov eax, edi
    and eax, TCP_FIN
    or eax, [seg_length]
    jz .Lempty
    inc ebp
    test esi, esi
    js .Lold
    jz .Lroom
    COUNT COUNT_TCP_ORDER
.Lnothing:
    mov dword ptr [seg_length], 0
    and edi, ~TCP_FIN
    mov dword ptr [ebx + CONN_ACK_DUE], TCP_ACK_NOW
    jmp .Lacknowledged
.Lempty:
    test esi, esi
    jns .Lacknowledged
    mov dword ptr [ebx + CONN_ACK_DUE], TCP_ACK_NOW     ; it asks whether we are there
    jmp .Lacknowledged
.Lold:
    neg esi                     ; bytes that we have
    cmp esi, [seg_length]
    ja .Lnothing
    jb .Lrest
    test edi, TCP_FIN
    jz .Lnothing
.Lrest:
    add [seg_data], esi
    sub [seg_length], esi
.Lroom:
    mov eax, [ebx + CONN_READ]
    add eax, TCP_BUFFER
    sub eax, [ebx + CONN_GOT]
    cmp [seg_length], eax
    jle .Lacknowledged
    test eax, eax
    jle .Lnothing
    mov [seg_length], eax
    and edi, ~TCP_FIN
    mov dword ptr [ebx + CONN_ACK_DUE], TCP_ACK_NOW

.Lacknowledged:
    call tcp_acknowledged
    jc .Lreturn
    mov ecx, [seg_length]
    mov eax, edi
    and eax, TCP_FIN
    or eax, ecx
    jz .Lanswer
    mov eax, [ebx + CONN_STATE]
    cmp eax, TCP_FIN_WAIT_2
    ja .Lanswer                 ; its stream has ended before
    jecxz .Lend
    cmp dword ptr [ebx + CONN_CLOSED], 0
    jne .Lunwanted
    mov eax, [ebx + CONN_GOT]
    add [ebx + CONN_GOT], ecx
    inc dword ptr [ebx + CONN_ACK_DUE]
    mov esi, [seg_data]
    push edi
    mov edi, [ebx + CONN_RECEIVE]
    call ring_put
    pop edi
    mov ebp, -1
.Lend:
    test edi, TCP_FIN
    jz .Lanswer
    call tcp_ended
.Lanswer:
    call tcp_output
    test ebp, ebp
    jns .Ldue
    call conn_wake
.Ldue:
    cmp dword ptr [ebx + CONN_ACK_DUE], TCP_ACK_NOW
    jb .Lreturn
    jmp tcp_ack
.Lreturn:
    ret
.Lwindow:
    COUNT COUNT_TCP_WINDOW
    jmp tcp_ack
.Lunwanted:
    call tcp_send_reset
    jmp conn_over

; tcp_ended: the peer's stream has ended.
;   in    EBX = connection
;   out   EBP = -1: wake its owner
tcp_ended:
    mov ebp, -1
    inc dword ptr [ebx + CONN_GOT]
    inc dword ptr [ebx + CONN_FIN]
    mov dword ptr [ebx + CONN_ACK_DUE], TCP_ACK_NOW
    mov eax, [ebx + CONN_STATE]
    cmp eax, TCP_FIN_WAIT_2
    je conn_time_wait
    mov edx, TCP_CLOSING
    cmp eax, TCP_FIN_WAIT_1
    je .Lset
    mov edx, TCP_CLOSE_WAIT
.Lset:
    mov [ebx + CONN_STATE], edx
    ret

; tcp_reset: the peer says that there is no such connection.
;   in    EBX = connection, ESI = how far the segment is ahead
tcp_reset:
    test esi, esi
    jnz .Lguess
    cmp dword ptr [ebx + CONN_STATE], TCP_TIME_WAIT
    je .Lreturn                 ; RFC 1337
    COUNT COUNT_TCP_RESET
    jmp conn_over
.Lguess:
    COUNT COUNT_TCP_WINDOW
    cmp esi, TCP_BUFFER
    jb tcp_ack                  ; RFC 5961: if it is true, the peer will repeat it with the right number
.Lreturn:
    ret

; tcp_again: the peer says that a connection begins which we know already.
;   in    EBX = connection, ESI = how far the segment is ahead
tcp_again:
    cmp dword ptr [ebx + CONN_STATE], TCP_TIME_WAIT
    jne .Lguess
    test esi, esi
    js .Lguess
    call conn_over
    xor esi, esi
    jmp tcp_stranger            ; it is a new one
.Lguess:
    COUNT COUNT_TCP_WINDOW
    jmp tcp_ack

; tcp_late: a segment of a connection that has ended on both sides.
;   in    EBX = connection, EDI = its flags
tcp_late:
    COUNT COUNT_TCP_WINDOW
    test edi, TCP_FIN
    jz .Lreturn
    call conn_time_wait
    jmp tcp_ack
.Lreturn:
    ret
