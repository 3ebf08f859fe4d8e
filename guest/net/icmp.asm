; ICMP: echo requests are answered. Nothing else is taken, and no errors are reported to others.

.include "net/net.inc"

.text

; icmp_input: takes an ICMP message.
;   in    ESI = IP header, EDI = message, ECX = bytes
.global icmp_input
icmp_input:
    cmp ecx, ICMP_SIZE
    jb .Lchecksum
    mov ebx, esi
    mov esi, edi
    mov ebp, ecx
    xor eax, eax
    call checksum_add
    call checksum_fold
    jnz .Lchecksum
    cmp byte ptr [esi + ICMP_TYPE], ICMP_ECHO
    jne .Ltype
    mov eax, [ebx + IP_TARGET]
    cmp eax, [net_config + NET_ADDRESS]
    je .Lanswer
    cmp eax, [ebx + IP_SOURCE]  ; ourselves
    jne .Ltype                  ; sent to all: who answers helps to flood somebody

.Lanswer:
    COUNT COUNT_ICMP_ECHO
    mov eax, [ebx + IP_SOURCE]
    mov edx, IP_ICMP
    mov ecx, ebp
    call ip_begin
    mov edi, net_frame + ETHER_SIZE + IP_SIZE
    mov ecx, ebp
    call net_copy
    mov esi, net_frame + ETHER_SIZE + IP_SIZE
    mov byte ptr [esi + ICMP_TYPE], ICMP_REPLY
    mov word ptr [esi + ICMP_CHECKSUM], 0
    xor eax, eax
    mov ecx, ebp
    call checksum_add
    call checksum_fold
    mov [esi + ICMP_CHECKSUM], ax
    jmp ip_send
.Lchecksum:
    COUNT COUNT_ICMP_CHECKSUM
    ret
.Ltype:
    COUNT COUNT_ICMP_TYPE
    ret
