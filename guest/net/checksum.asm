; The Internet checksum (RFC 1071): the complement of a sum of words in which the carry goes back in at the other end.
;
; Such a sum does not care about byte order, nor whether words or doublewords are added, until it is folded.

.include "net/net.inc"

DWORD_BYTES = 4                 ; step of the middle loop
BLOCK_BYTES = 32                ; step of the fast one

.text

; checksum_add: adds data to a sum.
;   in    EAX = sum, ESI = data, ECX = bytes; what is added behind an odd number counts as if there were one more, 0
;   out   EAX = sum
.global checksum_add
checksum_add:
    push esi
    mov edx, ecx
    shr edx, 5
    jz .Ldwords
    clc
.Lblock:
at = 0
.rept BLOCK_BYTES / DWORD_BYTES
    adc eax, [esi + at]
at = at + DWORD_BYTES
.endr
    lea esi, [esi + BLOCK_BYTES]        ; CF is kept, by DEC, too
    dec edx
    jnz .Lblock
    adc eax, 0
.Ldwords:
    mov edx, ecx
    and edx, BLOCK_BYTES - 1
    shr edx, 2
    jz .Lrest
    clc
.Ldword:
    adc eax, [esi]
    lea esi, [esi + DWORD_BYTES]
    dec edx
    jnz .Ldword
    adc eax, 0
.Lrest:
    xor edx, edx
    test ecx, 2
    jz .Lbyte
    movzx edx, word ptr [esi]
    inc esi
    inc esi
.Lbyte:
    test ecx, 1
    jz .Lreturn
    movzx ecx, byte ptr [esi]
    add edx, ecx
.Lreturn:
    add eax, edx
    adc eax, 0
    pop esi
    ret

; checksum_fold: the checksum that a sum makes.
;   in    EAX = sum
;   out   EAX = checksum, as it is stored; 0 for a sum over data with a good checksum. ECX is kept, ZF tells whether 0
.global checksum_fold
checksum_fold:
    mov edx, eax
    shr edx, 16
    add ax, dx
    adc ax, 0
    not eax
    and eax, 0xffff
    ret

; checksum_pseudo: the sum of the pseudo-header of UDP and TCP.
;   in    ESI = IP header, ECX = bytes behind it
;   out   EAX = sum; ECX is kept
.global checksum_pseudo
checksum_pseudo:
    mov edx, ecx
    xchg dl, dh
    movzx eax, byte ptr [esi + IP_PROTOCOL]
    shl eax, 8
    add eax, edx
    add eax, [esi + IP_SOURCE]
    adc eax, [esi + IP_TARGET]
    adc eax, 0
    ret
