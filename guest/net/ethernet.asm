; Ethernet: frames that have come, and who we are.
;
; Owns net_config, net_frame, and the counters.

.include "net/net.inc"

.text

; net_init: makes us known. Once, before all others.
;   in    EAX = NET
.global net_init
net_init:
    push esi
    push edi
    mov esi, eax
    mov edi, net_config
    mov ecx, NET_SIZE / 4
    rep movsd
    pop edi
    call conn_init
    call half_init
    mov eax, ARP_ETHER
    mov edx, [net_config + NET_ADDRESS]
    mov esi, net_everybody
    call arp_send
    pop esi
    ret

; net_tick: time has passed.
.global net_tick
net_tick:
    inc dword ptr [loop_busy]
    call arp_tick
    call tcp_tick
    dec dword ptr [loop_busy]
    jmp loop_drain

; net_input: a frame has come.
;   in    ESI = frame, ECX = length
.global net_input
net_input:
    push ebx
    push esi
    push edi
    push ebp
    inc dword ptr [loop_busy]
    call ether_input
    dec dword ptr [loop_busy]
    pop ebp
    pop edi
    pop esi
    pop ebx
    jmp loop_drain

; ether_input: takes a frame.
;   in    ESI = frame, ECX = length
ether_input:
    COUNT COUNT_IN
    cmp ecx, ETHER_SIZE
    jb .Llength
    cmp ecx, ETHER_MAX
    ja .Llength
    test byte ptr [esi + ETHER_FROM], ETHER_GROUP
    jnz .Laddress
    mov eax, [esi + ETHER_TO]
    movsx edx, word ptr [esi + ETHER_TO_END]
    cmp eax, [net_config + NET_MAC]
    jne .Lbroadcast
    cmp dx, [net_config + NET_MAC_END]
    je .Lours
.Lbroadcast:
    and eax, edx
    inc eax                     ; all ones?
    jnz .Laddress
.Lours:
    movzx eax, word ptr [esi + ETHER_TYPE]
    add esi, ETHER_SIZE
    sub ecx, ETHER_SIZE
    cmp eax, ETHER_IP
    je ip_input
    cmp eax, ETHER_ARP
    je arp_input
    COUNT COUNT_ETHER_TYPE
    ret
.Llength:
    COUNT COUNT_ETHER_LENGTH
    ret
.Laddress:
    COUNT COUNT_ETHER_ADDRESS
    ret

; ether_send: sends a frame that has no sender yet.
;   in    ESI = frame, ECX = length
.global ether_send
ether_send:
    mov eax, [net_config + NET_MAC]
    mov [esi + ETHER_FROM], eax
    mov ax, [net_config + NET_MAC_END]
    mov [esi + ETHER_FROM_END], ax
    COUNT COUNT_OUT
    jmp net_transmit

.rodata

.global net_everybody

net_everybody:                  ; the MAC that all listen to
    .fill 6, 1, 0xff

.bss

.global net_config, net_counts, net_frame

.align 4
net_config:                     ; NET
    .space NET_SIZE
net_counts:                     ; by Count
    .space COUNTS * 4
    .space 2                    ; the IP header is aligned
net_frame:                      ; what is being sent
    .space ETHER_MAX
