; UDP: datagrams to routines that have bound a port.
;
; Owns the ports. A pair of ports is one number: source << 16 + target, so that ROL by 16 makes the pair of an answer.

.include "net/net.inc"

.text

; udp_bind: a routine gets the datagrams that come for a port.
;   in    EAX = port, not 0; EDX = routine; ECX = what it finds in EBX
;   out   CF set: somebody has the port, or no more ports can be bound
;
; The routine gets EAX = sender's address, EDX = pair of ports, ESI = data, ECX = bytes, and follows the calling rule.
; The data stay where they are until it returns; it may call udp_send.
.global udp_bind
udp_bind:
    push ebx
    push ecx
    call port_find
    cmc
    jc .Lreturn
    push eax
    xor eax, eax
    call port_find
    pop eax
    jc .Lreturn
    mov [ebx + PORT_NUMBER], eax
    mov [ebx + PORT_HANDLER], edx
    mov ecx, [esp]
    mov [ebx + PORT_ARGUMENT], ecx
.Lreturn:
    pop ecx
    pop ebx
    ret

; udp_unbind: nobody gets a port's datagrams any more.
;   in    EAX = port
.global udp_unbind
udp_unbind:
    push ebx
    call port_find
    jc .Lreturn
    mov dword ptr [ebx + PORT_NUMBER], 0
.Lreturn:
    pop ebx
    ret

; port_find: finds a port.
;   in    EAX = its number, or 0: a free place
;   out   EBX = PORT; CF set: none. All else is kept
port_find:
    mov ebx, ports
.Lnext:
    cmp [ebx + PORT_NUMBER], eax
    je .Lreturn                 ; CF is clear
    add ebx, PORT_SIZE
    cmp ebx, ports_end
    jb .Lnext
    stc
.Lreturn:
    ret

; udp_input: takes a datagram.
;   in    ESI = IP header, EDI = datagram, ECX = bytes
.global udp_input
udp_input:
    cmp ecx, UDP_SIZE
    jb .Llength
    movzx eax, word ptr [edi + UDP_LENGTH]
    xchg al, ah
    mov ebp, eax
    cmp ebp, UDP_SIZE
    jb .Llength
    cmp ebp, ecx
    ja .Llength
    mov ecx, ebp
    cmp word ptr [edi + UDP_CHECKSUM], 0
    je .Lgood
    call checksum_pseudo
    push esi
    mov esi, edi
    call checksum_add
    pop esi
    call checksum_fold
    jnz .Lchecksum
.Lgood:
    mov edx, [edi + UDP_SOURCE]         ; both ports
    bswap edx
    movzx eax, dx
    test eax, eax
    jz .Lport                   ; a free place is nobody's
    call port_find
    jc .Lport
    COUNT COUNT_UDP_IN
    mov eax, [esi + IP_SOURCE]
    lea esi, [edi + UDP_SIZE]
    lea ecx, [ebp - UDP_SIZE]
    mov edi, [ebx + PORT_HANDLER]
    mov ebx, [ebx + PORT_ARGUMENT]
    jmp edi
.Llength:
    COUNT COUNT_UDP_LENGTH
    ret
.Lchecksum:
    COUNT COUNT_UDP_CHECKSUM
    ret
.Lport:
    COUNT COUNT_UDP_PORT
    ret

; udp_send: sends a datagram.
;   in    EAX = address, EDX = pair of ports, ESI = data, ECX = bytes
;   out   CF set: it is longer than UDP_MAX, or there is no way to that address
.global udp_send
udp_send:
    cmp ecx, UDP_MAX
    ja .Llong
    push ebx
    push esi
    push edi
    mov edi, net_frame + ETHER_SIZE + IP_SIZE
    bswap edx
    mov [edi + UDP_SOURCE], edx
    lea ebx, [ecx + UDP_SIZE]
    mov edx, ebx
    xchg dl, dh
    mov [edi + UDP_LENGTH], dx
    mov word ptr [edi + UDP_CHECKSUM], 0
    add edi, UDP_SIZE
    push eax
    call net_copy
    pop eax
    mov edx, IP_UDP
    mov ecx, ebx
    call ip_begin
    mov esi, net_frame + ETHER_SIZE
    mov ecx, ebx
    call checksum_pseudo
    add esi, IP_SIZE
    call checksum_add
    call checksum_fold
    jnz .Lsum
    dec eax                     ; 0 would say that there is none
.Lsum:
    mov [esi + UDP_CHECKSUM], ax
    pop edi
    pop esi
    pop ebx
    call ip_send
    jmp loop_drain
.Llong:
    stc
    ret

.assert UDP_TARGET == UDP_SOURCE + 2, "both ports are one doubleword"

.bss

.align 4
ports:                          ; PORTs
    .space UDP_PORTS * PORT_SIZE
ports_end:
