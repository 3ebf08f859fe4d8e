; TCP: segments that have come, and whose they are.
;
; Owns what is known of the segment that is being looked at, in the processor's byte order.

.include "net/tcp.inc"

MSS_BYTES = 2                   ; the number in the option

.text

; tcp_input: takes a segment.
;   in    ESI = IP header, EDI = segment, ECX = bytes
.global tcp_input
tcp_input:
    cmp ecx, TCP_SIZE
    jb .Llength
    mov eax, [esi + IP_TARGET]
    cmp eax, [net_config + NET_ADDRESS]
    je .Lours
    cmp eax, [esi + IP_SOURCE]  ; ourselves
    jne .Llength
.Lours:
    movzx ebp, byte ptr [edi + TCP_OFFSET]
    shr ebp, 4
    shl ebp, 2                  ; length of the header
    cmp ebp, TCP_SIZE
    jb .Llength
    cmp ebp, ecx
    ja .Llength
    mov edx, ecx
    sub edx, ebp
    mov [seg_length], edx
    lea edx, [edi + ebp]
    mov [seg_data], edx
    mov eax, [esi + IP_SOURCE]
    mov [seg_address], eax
    call checksum_pseudo
    mov esi, edi
    call checksum_add
    call checksum_fold
    jnz .Lchecksum
    add ebp, esi
    call tcp_options
    jc .Loptions

    COUNT COUNT_TCP_IN
    mov eax, [edi + TCP_SEQUENCE]
    bswap eax
    mov [seg_seq], eax
    mov eax, [edi + TCP_ACKNOWLEDGED]
    bswap eax
    mov [seg_ack], eax
    movzx eax, word ptr [edi + TCP_WINDOW]
    xchg al, ah
    mov [seg_window], eax
    movzx eax, byte ptr [edi + TCP_FLAGS]
    mov [seg_flags], eax
    mov edx, [edi + TCP_SOURCE]         ; both ports
    mov [seg_ports], edx
    mov eax, [seg_address]
    xor esi, esi
    call peer_find
    jc tcp_stranger
    cmp dword ptr [ebx + PEER_STATE], TCP_SYN_RECEIVED
    ja tcp_segment
    jb tcp_opening
    mov esi, ebx
    jmp tcp_stranger
.Llength:
    COUNT COUNT_TCP_LENGTH
    ret
.Lchecksum:
    COUNT COUNT_TCP_CHECKSUM
    ret
.Loptions:
    COUNT COUNT_TCP_OPTIONS
    ret

; tcp_options: reads the options of a segment.
;   in    EDI = segment, EBP = end of its header
;   out   seg_mss; CF set: they make no sense. ESI is destroyed
tcp_options:
    mov dword ptr [seg_mss], TCP_MSS_DEFAULT
    lea esi, [edi + TCP_SIZE]
.Lnext:
    cmp esi, ebp
    jae .Lgood
    lodsb
    cmp al, TCP_OPTION_END
    je .Lgood
    cmp al, TCP_OPTION_NONE
    je .Lnext
    cmp esi, ebp
    jae .Lbad
    mov dl, al
    xor eax, eax
    lodsb
    sub eax, 2                  ; kind and length count
    jb .Lbad
    mov ecx, ebp
    sub ecx, esi
    cmp eax, ecx
    ja .Lbad
    add esi, eax
    cmp dl, TCP_OPTION_MSS
    jne .Lnext
    cmp eax, MSS_BYTES
    jne .Lbad
    movzx eax, word ptr [esi - MSS_BYTES]
    xchg al, ah
    cmp eax, TCP_MSS
    jbe .Lleast
    mov eax, TCP_MSS
.Lleast:
    cmp eax, TCP_MSS_MIN
    jae .Lset
    mov eax, TCP_MSS_MIN
.Lset:
    mov [seg_mss], eax
    jmp .Lnext
.Lgood:
    clc
    ret
.Lbad:
    stc
    ret

.assert TCP_TARGET == TCP_SOURCE + 2, "both ports are one doubleword"

.bss

.global seg_seq, seg_ack, seg_window, seg_flags, seg_mss, seg_data, seg_length, seg_address, seg_ports

.align 4
seg_seq:                        ; TCP_SEQUENCE
    .space 4
seg_ack:                        ; TCP_ACKNOWLEDGED
    .space 4
seg_window:                     ; TCP_WINDOW
    .space 4
seg_flags:                      ; TCP_FLAGS
    .space 4
seg_mss:                        ; what the sender takes, or TCP_MSS_DEFAULT
    .space 4
seg_data:                       ; data,
    .space 4
seg_length:                     ;   bytes
    .space 4
seg_address:                    ; IP_SOURCE
    .space 4
seg_ports:                      ; TCP_SOURCE and TCP_TARGET as loaded
    .space 4
