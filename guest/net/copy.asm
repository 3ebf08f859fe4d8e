; Copying, straight and through rings of TCP_BUFFER bytes.

.include "net/net.inc"

.assert (TCP_BUFFER & (TCP_BUFFER - 1)) == 0, "TCP_BUFFER must be a power of two"
.assert TCP_BUFFER >= 4096 && TCP_BUFFER <= 32768, "TCP_BUFFER must be 4096 to 32768: a window has 16 bits"

.text

; net_copy: copies bytes.
;   in    ESI = from, EDI = to, ECX = bytes
;   out   ESI, EDI behind them; EDX is kept
.global net_copy
net_copy:
    mov eax, ecx
    shr ecx, 2
    rep movsd
    mov ecx, eax
    and ecx, 3
    rep movsb
    ret

; ring_put: copies bytes into a ring.
;   in    EAX = number of the first byte, EDI = ring, ESI = from, ECX = bytes
;   out   EDI is destroyed, ESI behind them
.global ring_put
ring_put:
    and eax, TCP_BUFFER - 1
    add edi, eax
    mov edx, TCP_BUFFER
    sub edx, eax                ; up to the ring's end
    cmp ecx, edx
    jbe net_copy
    sub ecx, edx
    xchg ecx, edx
    call net_copy
    sub edi, TCP_BUFFER
    mov ecx, edx
    jmp net_copy

; ring_get: copies bytes out of a ring.
;   in    EAX = number of the first byte, ESI = ring, EDI = to, ECX = bytes
;   out   ESI is destroyed, EDI behind them
.global ring_get
ring_get:
    and eax, TCP_BUFFER - 1
    add esi, eax
    mov edx, TCP_BUFFER
    sub edx, eax
    cmp ecx, edx
    jbe net_copy
    sub ecx, edx
    xchg ecx, edx
    call net_copy
    sub esi, TCP_BUFFER
    mov ecx, edx
    jmp net_copy
