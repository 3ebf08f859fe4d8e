; TCP: connections that we begin (RFC 9293, 3.10.7.3). A peer that begins one with us at the same moment, from the port
; and to the port of ours, is refused.
;
; Owns what chooses our ports, and the first numbers of our streams.

.include "net/tcp.inc"

PORTS_CHOSEN = 0xc000           ; ports from there on are nobody's (RFC 6335)
ISS_CLOCK = 250                 ; first numbers grow by that in a millisecond (RFC 9293),
ISS_STEP = 64000                ; and by that with every connection

.text

; tcp_connect: begins a connection, which gives NET_AGAIN until net_wake tells that it is established, or has failed. To
; ourselves, that may be before this returns.
;   in    EAX = address, EDX = port, ECX = CONN_OWNER
;   out   EAX = CONN; CF set: EAX = NET_FULL, or NET_RESET: there is no way to that address
.global tcp_connect
tcp_connect:
    push ebx
    push esi
    push edi
    push ecx
    mov esi, eax
    mov edi, edx
    call ip_host
    jc .Lnowhere
.Lport:                         ; there are more than could be taken by connections and listeners
    inc dword ptr [port_last]
    mov eax, [port_last]
    or eax, PORTS_CHOSEN
    movzx eax, ax
    cmp eax, edi                ; to ourselves, it would be both ends
    je .Lport
    call listener_find
    jnc .Lport
    mov edx, edi
    shl edx, 16
    mov dx, ax
    bswap edx
    mov eax, esi
    call peer_find
    jnc .Lport
    mov edi, edx
    call conn_new
    mov eax, NET_FULL
    jc .Lreturn
    mov dword ptr [ebx + CONN_STATE], TCP_SYN_SENT
    mov eax, esi
    mov edx, edi
    call peer_add
    mov dword ptr [ebx + CONN_RTO], RTO_FIRST
    mov eax, [esp]
    mov [ebx + CONN_OWNER], eax
    call tcp_first
    mov [ebx + CONN_UNA], eax
    call conn_ask
    jc .Lno_way
    mov eax, ebx
.Lreturn:
    pop ecx
    pop edi
    pop esi
    pop ebx
    jmp loop_drain
.Lno_way:
    mov dword ptr [ebx + CONN_CLOSED], 1
    call conn_over
.Lnowhere:
    mov eax, NET_RESET
    stc
    jmp .Lreturn

; conn_ask: sends SYN, and sees to it that it goes again.
;   in    EBX = connection that is TCP_SYN_SENT
;   out   CF set: there is no way to the peer
.global conn_ask
conn_ask:
    mov eax, [ebx + CONN_RTO]
    call conn_timer
    mov eax, [ebx + CONN_PORTS]
    rol eax, 16
    mov [net_frame + TCP_OUT + TCP_SOURCE], eax
    mov eax, [ebx + CONN_UNA]
    bswap eax
    mov [net_frame + TCP_OUT + TCP_SEQUENCE], eax
    mov dword ptr [net_frame + TCP_OUT + TCP_ACKNOWLEDGED], 0
    mov byte ptr [net_frame + TCP_OUT + TCP_FLAGS], TCP_SYN
    mov eax, [ebx + CONN_ADDRESS]
    jmp tcp_emit_syn

; tcp_opening: looks at a segment of a connection that is TCP_SYN_SENT.
;   in    EBX = connection, the segment in seg_*
.global tcp_opening
tcp_opening:
    mov edi, [seg_flags]
    test edi, TCP_ACK
    jz .Lblind
    mov eax, [seg_ack]
    dec eax
    cmp eax, [ebx + CONN_UNA]
    jne .Lother
    test edi, TCP_RST
    jnz .Lrefused
    test edi, TCP_SYN
    jz .Ldrop
    mov eax, [ebx + CONN_UNA]
    mov edx, [seg_seq]
    mov ecx, [seg_mss]
    call conn_establish
    cmp dword ptr [ebx + CONN_FINISH], 0
    je .Lopen
    mov dword ptr [ebx + CONN_STATE], TCP_FIN_WAIT_1
.Lopen:
    mov dword ptr [ebx + CONN_ACK_DUE], TCP_ACK_NOW
    inc dword ptr [seg_seq]
    and dword ptr [seg_flags], ~TCP_SYN
    call tcp_segment            ; the rest of it
    jmp conn_wake
.Lblind:
    test edi, TCP_SYN
    jz .Ldrop                   ; a reset, too: anybody could have sent it
.Lother:
    test edi, TCP_RST
    jz tcp_refuse
.Ldrop:
    COUNT COUNT_TCP_WINDOW
    ret
.Lrefused:
    COUNT COUNT_TCP_RESET
    jmp conn_over

; tcp_first: the number with which a stream of ours begins.
;   out   EAX = number of its SYN
.global tcp_first
tcp_first:
    call net_clock
    imul eax, eax, ISS_CLOCK
    add dword ptr [iss_step], ISS_STEP
    add eax, [iss_step]
    ret

.bss

.align 4
port_last:                      ; its lower 14 bits: those of the port that was chosen last
    .space 4
iss_step:                       ; ISS_STEP for every connection so far
    .space 4
