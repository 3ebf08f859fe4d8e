; IPv4: packets for us, and where packets of ours go. Options are skipped; fragments are neither taken nor made.
;
; What goes to our own address or to 127.0.0.0/8 never is on the wire (loop.asm). It comes from the address that it goes
; to, so that it can be answered; from the wire, no packet with the same address twice is taken.

.include "net/net.inc"

.text

; ip_input: takes a packet.
;   in    ESI = packet, ECX = bytes
.global ip_input
ip_input:
    cmp ecx, IP_SIZE
    jb .Lheader
    movzx eax, byte ptr [esi + IP_VERSION]
    mov edx, eax
    and edx, 15
    shl edx, 2                  ; length of the header
    cmp edx, IP_SIZE
    jb .Lheader
    shr eax, 4
    cmp eax, 4
    jne .Lheader
    movzx ebx, word ptr [esi + IP_LENGTH]
    xchg bl, bh
    cmp ebx, ecx                ; the frame may be longer: Ethernet pads short ones
    ja .Lheader
    sub ebx, edx
    jb .Lheader
    lea edi, [esi + edx]
    mov ecx, edx
    xor eax, eax
    call checksum_add
    call checksum_fold
    jnz .Lchecksum
    test word ptr [esi + IP_FRAGMENT], IP_FRAGMENTED
    jnz .Lfragment

    mov eax, [esi + IP_SOURCE]
    call ip_host
    jc .Lsource
    cmp al, IP_LOOPBACK
    je .Lsource
    cmp eax, [net_config + NET_ADDRESS]
    je .Lsource
    mov eax, [esi + IP_TARGET]
    cmp eax, [net_config + NET_ADDRESS]
    je .Lours
    cmp eax, edx
    je .Lours
    inc eax
    jnz .Ltarget
.Lours:
    mov ecx, ebx
    jmp ip_deliver
.Lheader:
    COUNT COUNT_IP_HEADER
    ret
.Lchecksum:
    COUNT COUNT_IP_CHECKSUM
    ret
.Lfragment:
    COUNT COUNT_IP_FRAGMENT
    ret
.Lsource:
    COUNT COUNT_IP_SOURCE
    ret
.Ltarget:
    COUNT COUNT_IP_TARGET
    ret

; ip_deliver: hands a packet to its protocol.
;   in    ESI = IP header, EDI = what is behind it, ECX = bytes
.global ip_deliver
ip_deliver:
    movzx eax, byte ptr [esi + IP_PROTOCOL]
    cmp eax, IP_TCP
    je tcp_input
    cmp eax, IP_UDP
    je udp_input
    cmp eax, IP_ICMP
    je icmp_input
    COUNT COUNT_IP_PROTOCOL
    ret

; ip_host: may an address be a host's?
;   in    EAX = address
;   out   CF set: no; EDX = address of all in our network. EAX is kept
.global ip_host
ip_host:
    mov edx, [net_config + NET_MASK]
    not edx
    or edx, [net_config + NET_ADDRESS]
    test al, al
    jz .Lno
    cmp eax, edx
    je .Lno
    cmp al, IP_GROUP
    cmc
    ret
.Lno:
    stc
    ret

; ip_begin: writes the IP header of a packet into net_frame; then its data go behind that, and ip_send sends it.
;   in    EAX = target, EDX = protocol, ECX = bytes behind the header, at most IP_MAX - IP_SIZE
.global ip_begin
ip_begin:
    push esi
    mov esi, net_frame + ETHER_SIZE
    mov [esi + IP_TARGET], eax
    mov [esi + IP_PROTOCOL], dl
    lea eax, [ecx + IP_SIZE]
    xchg al, ah
    mov [esi + IP_LENGTH], ax
    mov word ptr [net_frame + ETHER_TYPE], ETHER_IP
    mov byte ptr [esi + IP_VERSION], IP_VERSION_4
    mov byte ptr [esi + IP_SERVICE], 0
    inc dword ptr [ip_sent]
    mov ax, [ip_sent]
    mov [esi + IP_ID], ax
    mov word ptr [esi + IP_FRAGMENT], IP_WHOLE
    mov byte ptr [esi + IP_TTL], IP_TTL_SENT
    mov word ptr [esi + IP_CHECKSUM], 0
    mov eax, [esi + IP_TARGET]
    cmp al, IP_LOOPBACK
    je .Lsource
    mov eax, [net_config + NET_ADDRESS]
.Lsource:
    mov [esi + IP_SOURCE], eax
    xor eax, eax
    mov ecx, IP_SIZE
    call checksum_add
    call checksum_fold
    mov [esi + IP_CHECKSUM], ax
    pop esi
    ret

; ip_send: sends the packet in net_frame.
;   out   CF set: there is no way to its target
.global ip_send
ip_send:
    movzx ecx, word ptr [net_frame + ETHER_SIZE + IP_LENGTH]
    xchg cl, ch
    mov eax, [net_frame + ETHER_SIZE + IP_TARGET]
    cmp al, IP_LOOPBACK
    je loop_send
    cmp eax, [net_config + NET_ADDRESS]
    je loop_send
    add ecx, ETHER_SIZE
    cmp eax, -1
    je .Leverybody
    mov edx, eax
    xor edx, [net_config + NET_ADDRESS]
    test edx, [net_config + NET_MASK]
    jnz .Lgateway
    mov edx, [net_config + NET_MASK]
    or edx, eax
    cmp edx, -1                 ; all in our network
    je .Leverybody
.Lroute:
    call arp_route
    clc
    ret
.Lgateway:
    mov eax, [net_config + NET_GATEWAY]
    test eax, eax
    jnz .Lroute
    COUNT COUNT_IP_ROUTE
    stc
    ret
.Leverybody:
    push esi
    mov esi, net_frame
    mov dword ptr [esi + ETHER_TO], -1
    mov word ptr [esi + ETHER_TO_END], -1
    call ether_send
    pop esi
    clc
    ret

.bss

.align 4
ip_sent:                        ; packets; the low half is the next one's IP_ID
    .space 4
