; TCP: what goes.

.include "net/tcp.inc"

.text

; tcp_output: sends what may be sent now, and sees to it that a timer runs while something is not acknowledged.
;   in    EBX = connection
.global tcp_output
tcp_output:
    push esi
    push edi
.Lnext:
    mov esi, [ebx + CONN_END]
    sub esi, [ebx + CONN_NXT]           ; bytes to send; -1: FIN has gone, too
    js .Ltimer
    mov edi, [ebx + CONN_WINDOW]
    cmp edi, [ebx + CONN_CWND]
    jbe .Lallowed
    mov edi, [ebx + CONN_CWND]
.Lallowed:
    mov edx, [ebx + CONN_NXT]
    sub edx, [ebx + CONN_UNA]           ; bytes on their way
    sub edi, edx                ; bytes that may go
    jns .Lprobe
    xor edi, edi
.Lprobe:
    test edi, edi
    jnz .Lsegment
    cmp [ebx + CONN_PROBE], edi
    je .Lsegment
    inc edi
.Lsegment:
    mov ecx, esi
    cmp ecx, edi
    jbe .Lmss
    mov ecx, edi
.Lmss:
    cmp ecx, [ebx + CONN_MSS]
    jb .Lpart
    mov ecx, [ebx + CONN_MSS]
    jmp .Lsend
.Lpart:
    cmp ecx, esi
    je .Lall
    test edx, edx               ; what is on its way will make more room
    jnz .Ltimer
    jecxz .Ltimer
    jmp .Lsend
.Lall:
    test ecx, ecx
    jnz .Lsend
    cmp [ebx + CONN_FINISH], ecx
    je .Ltimer

.Lsend:
    mov edi, ecx                ; numbers that it takes
    mov eax, TCP_ACK
    cmp ecx, esi
    jne .Lmore
    jecxz .Lfin
    or al, TCP_PSH
.Lfin:
    cmp dword ptr [ebx + CONN_FINISH], 0
    je .Lmore
    or al, TCP_FIN
    inc edi
.Lmore:
    mov dword ptr [ebx + CONN_PROBE], 0
    mov edx, [ebx + CONN_NXT]
    call tcp_send
    mov eax, [ebx + CONN_NXT]
    cmp eax, [ebx + CONN_MAX]
    jne .Ladvance               ; it goes again
    cmp dword ptr [ebx + CONN_TIMED], 0
    jne .Ladvance
    mov [ebx + CONN_TIMED_SEQ], eax
    call net_clock
    mov [ebx + CONN_TIMED_AT], eax
    mov dword ptr [ebx + CONN_TIMED], 1
.Ladvance:
    add edi, [ebx + CONN_NXT]
    mov [ebx + CONN_NXT], edi
    mov eax, edi
    sub eax, [ebx + CONN_MAX]
    jle .Lnext
    mov [ebx + CONN_MAX], edi
    jmp .Lnext

.Ltimer:
    cmp dword ptr [ebx + CONN_TIMER], 0
    jne .Lreturn
    test esi, esi
    jg .Lstart
    mov eax, [ebx + CONN_UNA]
    cmp eax, [ebx + CONN_MAX]
    je .Lreturn
.Lstart:
    mov eax, [ebx + CONN_RTO]
    call conn_timer
.Lreturn:
    pop edi
    pop esi
    ret

; tcp_ack: tells the peer what has come, and what there is room for.
;   in    EBX = connection
.global tcp_ack
tcp_ack:
    mov eax, TCP_ACK
    mov edx, [ebx + CONN_MAX]
    xor ecx, ecx
    jmp tcp_send

; tcp_send_reset: tells the peer that the connection does not exist any more.
;   in    EBX = connection
.global tcp_send_reset
tcp_send_reset:
    mov eax, TCP_RST | TCP_ACK
    mov edx, [ebx + CONN_MAX]
    xor ecx, ecx

; tcp_send: sends a segment of a connection.
;   in    EBX = connection, EAX = flags, EDX = number of its first byte, ECX = bytes
tcp_send:
    push esi
    push edi
    mov [net_frame + TCP_OUT + TCP_FLAGS], al
    mov byte ptr [net_frame + TCP_OUT + TCP_OFFSET], TCP_OFFSET_PLAIN
    mov eax, edx
    bswap eax
    mov [net_frame + TCP_OUT + TCP_SEQUENCE], eax
    mov eax, [ebx + CONN_GOT]
    bswap eax
    mov [net_frame + TCP_OUT + TCP_ACKNOWLEDGED], eax
    mov eax, [ebx + CONN_PORTS]
    rol eax, 16
    mov [net_frame + TCP_OUT + TCP_SOURCE], eax
    mov dword ptr [ebx + CONN_ACK_DUE], 0

    mov eax, [ebx + CONN_READ]
    add eax, TCP_BUFFER
    mov esi, eax
    sub esi, [ebx + CONN_EDGE]
    cmp esi, TCP_MSS            ; less is not worth telling
    jl .Lold
    mov [ebx + CONN_EDGE], eax
.Lold:
    mov eax, [ebx + CONN_EDGE]
    sub eax, [ebx + CONN_GOT]
    jns .Lwindow
    xor eax, eax                ; the peer's FIN was beyond
.Lwindow:
    xchg al, ah
    mov [net_frame + TCP_OUT + TCP_WINDOW], ax

    mov eax, edx
    push ecx
    mov esi, [ebx + CONN_SEND]
    mov edi, net_frame + TCP_OUT + TCP_SIZE
    call ring_get
    pop ecx
    pop edi
    pop esi
    mov eax, [ebx + CONN_ADDRESS]
    add ecx, TCP_SIZE
    jmp tcp_emit

; tcp_emit_syn: sends the segment in net_frame, with which a stream of ours begins.
;   in    EAX = address
;   out   CF set: there is no way to it
.global tcp_emit_syn
tcp_emit_syn:
    mov byte ptr [net_frame + TCP_OUT + TCP_OFFSET], TCP_OFFSET_MSS
    mov word ptr [net_frame + TCP_OUT + TCP_WINDOW], TCP_BUFFER >> 8 | (TCP_BUFFER & 0xff) << 8
    mov dword ptr [net_frame + TCP_OUT + TCP_SIZE], TCP_MSS_SENT
    mov ecx, TCP_SIZE + 4

; tcp_emit: sends the segment in net_frame.
;   in    EAX = address, ECX = bytes
;   out   CF set: there is no way to that address
.global tcp_emit
tcp_emit:
    push esi
    push ecx
    mov dword ptr [net_frame + TCP_OUT + TCP_CHECKSUM], 0       ; and TCP_URGENT
    mov edx, IP_TCP
    call ip_begin
    pop ecx
    mov esi, net_frame + ETHER_SIZE
    call checksum_pseudo
    add esi, IP_SIZE
    call checksum_add
    call checksum_fold
    mov [esi + TCP_CHECKSUM], ax
    pop esi
    jmp ip_send

.assert TCP_URGENT == TCP_CHECKSUM + 2, "both are cleared at once"
