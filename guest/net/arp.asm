; ARP: who has which MAC.
;
; Owns the neighbours. One is learnt when we want to send to it, or when it asks for us; all others of the network do not
; fill the table. While its MAC is asked for, one frame for it waits.

.include "net/net.inc"

.text

; arp_input: takes an ARP packet.
;   in    ESI = packet, ECX = bytes
.global arp_input
arp_input:
    cmp ecx, ARP_SIZE
    jb .Lmalformed
    cmp word ptr [esi + ARP_HARDWARE], ARP_ETHER
    jne .Lmalformed
    cmp word ptr [esi + ARP_PROTOCOL], ETHER_IP
    jne .Lmalformed
    cmp word ptr [esi + ARP_SIZES], ARP_LENGTHS
    jne .Lmalformed
    test byte ptr [esi + ARP_FROM], ETHER_GROUP
    jnz .Lmalformed
    mov eax, [esi + ARP_SOURCE]
    cmp eax, [net_config + NET_ADDRESS]
    je .Lconflict
    xor ebp, ebp                ; not 0: a question for us
    cmp word ptr [esi + ARP_OPERATION], ARP_ETHER
    jne .Llearn
    mov edx, [esi + ARP_TARGET]
    cmp edx, [net_config + NET_ADDRESS]
    jne .Llearn
    inc ebp
.Llearn:
    mov edx, eax
    xor edx, [net_config + NET_ADDRESS]
    and edx, [net_config + NET_MASK]
    jnz .Lforeign               ; of another network, or 0: it looks whether its address is free
    call neighbour_find
    jnc .Lknown
    test ebp, ebp
    jz .Lother
    call neighbour_new
.Lknown:
    call neighbour_known
    test ebp, ebp
    jz .Ldone
.Lanswer:
    mov edx, [esi + ARP_SOURCE]
    add esi, ARP_FROM
    mov eax, ARP_REPLY
    call arp_send
.Ldone:
    COUNT COUNT_ARP_IN
    ret
.Lforeign:
    test ebp, ebp
    jnz .Lanswer
.Lother:
    COUNT COUNT_ARP_OTHER
    ret
.Lmalformed:
    COUNT COUNT_ARP_MALFORMED
    ret
.Lconflict:
    COUNT COUNT_ARP_CONFLICT
    ret

; arp_route: sends net_frame to a neighbour, as soon as its MAC is known.
;   in    EAX = its address, ECX = length
.global arp_route
arp_route:
    push ebx
    push esi
    push edi
    call neighbour_find
    jc .Lnew
    cmp dword ptr [ebx + NEIGHBOUR_STATE], NEIGHBOUR_KNOWN
    jne .Lwait
    mov esi, net_frame
    call neighbour_send
    jmp .Lreturn
.Lnew:
    push ecx
    call neighbour_new
    mov dword ptr [ebx + NEIGHBOUR_STATE], NEIGHBOUR_ASKED
    mov dword ptr [ebx + NEIGHBOUR_TRIES], 0
    call neighbour_ask
    pop ecx
.Lwait:
    cmp word ptr [ebx + NEIGHBOUR_WAITING], 0
    je .Lkeep
    COUNT COUNT_ARP_REPLACED
.Lkeep:
    mov [ebx + NEIGHBOUR_WAITING], cx
    lea edi, [ebx + NEIGHBOUR_FRAME]
    mov esi, net_frame
    call net_copy
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; arp_tick: forgets what is old, asks again, gives up.
.global arp_tick
arp_tick:
    push ebx
    mov ebx, neighbours
.Lnext:
    cmp dword ptr [ebx + NEIGHBOUR_STATE], NEIGHBOUR_FREE
    je .Lskip
    call net_clock
    sub eax, [ebx + NEIGHBOUR_DUE]
    js .Lskip
    cmp dword ptr [ebx + NEIGHBOUR_STATE], NEIGHBOUR_KNOWN
    je .Lfree
    cmp dword ptr [ebx + NEIGHBOUR_TRIES], NEIGHBOUR_TRIES_MAX
    je .Lfail
    call neighbour_ask
    jmp .Lskip
.Lfail:
    COUNT COUNT_ARP_FAILED
.Lfree:
    xor eax, eax
    mov [ebx + NEIGHBOUR_STATE], eax
    mov [ebx + NEIGHBOUR_ADDRESS], eax
    mov [ebx + NEIGHBOUR_WAITING], ax
.Lskip:
    add ebx, NEIGHBOUR_SIZE
    cmp ebx, neighbours_end
    jb .Lnext
    pop ebx
    ret

; neighbour_find: finds a neighbour.
;   in    EAX = address, not 0
;   out   EBX = NEIGHBOUR; CF set: none. All else is kept
neighbour_find:
    mov ebx, neighbours
.Lnext:
    cmp [ebx + NEIGHBOUR_ADDRESS], eax
    je .Lreturn                 ; CF is clear
    add ebx, NEIGHBOUR_SIZE
    cmp ebx, neighbours_end
    jb .Lnext
    stc
.Lreturn:
    ret

; neighbour_new: a new neighbour takes a free place, or that of the one whose time is over first.
;   in    EAX = address
;   out   EBX = NEIGHBOUR
neighbour_new:
    push edi
    push eax
    call net_clock
    mov edx, eax
    mov edi, 0x7fffffff         ; time that is left to the one in EBX
    mov ecx, neighbours
    mov ebx, ecx
.Lnext:
    cmp dword ptr [ecx + NEIGHBOUR_STATE], NEIGHBOUR_FREE
    je .Lfree
    mov eax, [ecx + NEIGHBOUR_DUE]
    sub eax, edx
    cmp eax, edi
    jge .Lskip
    mov edi, eax
    mov ebx, ecx
.Lskip:
    add ecx, NEIGHBOUR_SIZE
    cmp ecx, neighbours_end
    jb .Lnext
    cmp word ptr [ebx + NEIGHBOUR_WAITING], 0
    je .Lreturn
    COUNT COUNT_ARP_FAILED
    jmp .Lreturn
.Lfree:
    mov ebx, ecx
.Lreturn:
    pop eax
    mov [ebx + NEIGHBOUR_ADDRESS], eax
    mov word ptr [ebx + NEIGHBOUR_WAITING], 0
    pop edi
    ret

; neighbour_ask: asks a neighbour for its MAC.
;   in    EBX = NEIGHBOUR
neighbour_ask:
    push esi
    call net_clock
    add eax, NEIGHBOUR_RETRY
    mov [ebx + NEIGHBOUR_DUE], eax
    inc dword ptr [ebx + NEIGHBOUR_TRIES]
    mov eax, ARP_ETHER
    mov edx, [ebx + NEIGHBOUR_ADDRESS]
    mov esi, net_everybody
    call arp_send
    pop esi
    ret

; neighbour_known: a neighbour has told its MAC; what waits for it is sent.
;   in    EBX = NEIGHBOUR, ESI = ARP packet from it
neighbour_known:
    push esi
    call net_clock
    add eax, NEIGHBOUR_KEEP
    mov [ebx + NEIGHBOUR_DUE], eax
    mov dword ptr [ebx + NEIGHBOUR_STATE], NEIGHBOUR_KNOWN
    mov eax, [esi + ARP_FROM]
    mov [ebx + NEIGHBOUR_MAC], eax
    mov ax, [esi + ARP_FROM_END]
    mov [ebx + NEIGHBOUR_MAC_END], ax
    movzx ecx, word ptr [ebx + NEIGHBOUR_WAITING]
    jecxz .Lreturn
    mov word ptr [ebx + NEIGHBOUR_WAITING], 0
    lea esi, [ebx + NEIGHBOUR_FRAME]
    call neighbour_send
.Lreturn:
    pop esi
    ret

; neighbour_send: sends a frame to a neighbour.
;   in    EBX = NEIGHBOUR that is known, ESI = frame, ECX = length
neighbour_send:
    mov eax, [ebx + NEIGHBOUR_MAC]
    mov [esi + ETHER_TO], eax
    mov ax, [ebx + NEIGHBOUR_MAC_END]
    mov [esi + ETHER_TO_END], ax
    jmp ether_send

; arp_send: sends an ARP packet.
;   in    EAX = operation, EDX = target's address, ESI = MAC that it goes to
.global arp_send
arp_send:
    push esi
    mov [arp_packet + ARP_OPERATION], ax
    mov [arp_packet + ARP_TARGET], edx
    mov eax, [esi]
    mov [arp_frame + ETHER_TO], eax
    mov [arp_packet + ARP_TO], eax
    mov ax, [esi + ETHER_TO_END]
    mov [arp_frame + ETHER_TO_END], ax
    mov [arp_packet + ARP_TO_END], ax
    mov eax, [net_config + NET_MAC]
    mov [arp_packet + ARP_FROM], eax
    mov ax, [net_config + NET_MAC_END]
    mov [arp_packet + ARP_FROM_END], ax
    mov eax, [net_config + NET_ADDRESS]
    mov [arp_packet + ARP_SOURCE], eax
    mov esi, arp_frame
    mov ecx, ETHER_SIZE + ARP_SIZE
    call ether_send
    pop esi
    ret

.data

.align 4
    .space 2                    ; the packet is aligned
arp_frame:                      ; what is being sent
    .space ETHER_TYPE
    .word ETHER_ARP
arp_packet:
    .word ARP_ETHER, ETHER_IP, ARP_LENGTHS
    .space ARP_SIZE - ARP_OPERATION

.bss

.align 4
neighbours:                     ; NEIGHBOURs
    .space NEIGHBOURS * NEIGHBOUR_SIZE
neighbours_end:
