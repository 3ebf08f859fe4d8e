; TCP: segments of no connection: they knock at a port where somebody listens, or are refused.
;
; Owns the listeners.

.include "net/tcp.inc"

.text

; tcp_stranger: looks at a segment of no connection, or of a half open one.
;   in    ESI = HALF, or 0: nobody knows it; the segment in seg_*
.global tcp_stranger
tcp_stranger:
    mov edi, [seg_flags]
    test edi, TCP_RST
    jnz half_reset
    mov eax, [seg_ports]
    shr eax, 16
    xchg al, ah
    test eax, eax
    jz tcp_refuse
    call listener_find
    jc tcp_refuse
    and edi, TCP_SYN | TCP_ACK | TCP_FIN
    cmp edi, TCP_SYN
    je half_begin
    test edi, TCP_ACK
    jz .Lreturn
    test edi, TCP_SYN
    jnz tcp_refuse
    test esi, esi
    jz tcp_refuse
    jmp half_end
.Lreturn:
    COUNT COUNT_TCP_WINDOW
    ret

; listener_find: finds who listens at a port.
;   in    EAX = its number, or 0: a free place
;   out   EBX = LISTENER; CF set: nobody. All else is kept
.global listener_find
listener_find:
    mov ebx, listeners
.Lnext:
    cmp [ebx + LISTENER_PORT], eax
    je .Lreturn                 ; CF is clear
    add ebx, LISTENER_SIZE
    cmp ebx, listeners_end
    jb .Lnext
    stc
.Lreturn:
    ret

; tcp_refuse: answers a segment that is no RST: there is no such connection.
;   in    the segment in seg_*
.global tcp_refuse
tcp_refuse:
    COUNT COUNT_TCP_REFUSED
    xor ecx, ecx                ; what we have got
    mov edx, [seg_ack]          ; what the peer awaits
    mov edi, TCP_RST
    mov eax, [seg_flags]
    test eax, TCP_ACK
    jnz .Lsend
    xor edx, edx
    mov ecx, [seg_seq]
    add ecx, [seg_length]
    or edi, TCP_ACK
    shr eax, 1                  ; FIN takes a number,
    adc ecx, 0
    shr eax, 1                  ; and so does SYN
    adc ecx, 0
.Lsend:
    bswap edx
    mov [net_frame + TCP_OUT + TCP_SEQUENCE], edx
    bswap ecx
    mov [net_frame + TCP_OUT + TCP_ACKNOWLEDGED], ecx
    mov eax, [seg_ports]
    rol eax, 16
    mov [net_frame + TCP_OUT + TCP_SOURCE], eax
    mov eax, edi
    mov [net_frame + TCP_OUT + TCP_FLAGS], al
    mov byte ptr [net_frame + TCP_OUT + TCP_OFFSET], TCP_OFFSET_PLAIN
    mov word ptr [net_frame + TCP_OUT + TCP_WINDOW], 0
    mov eax, [seg_address]
    mov ecx, TCP_SIZE
    jmp tcp_emit

.assert TCP_FIN == 1 && TCP_SYN == 2, "tcp_refuse shifts them out"

.bss

.align 4
listeners:                      ; LISTENERs
    .space TCP_LISTENERS * LISTENER_SIZE
listeners_end:
