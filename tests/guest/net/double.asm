; What the network stack is linked with in its tests: a wire that keeps what is sent, a clock that Python sets, and some
; users of UDP and TCP.

.include "net/tcp.inc"

SENT_SLOTS = 256                ; frames that are kept, the last ones
WOKEN_SLOTS = 256               ; likewise of who is woken
SLOT_BYTES = 2048               ; of each
SLOT_DATA = 16                  ; where the data begin in a slot
FLOOD = 100                     ; datagrams that flood sends
NOTED = 9                       ; port that restless sends to

.text

; start: nothing is run from here.
.global start
start:
    hlt

; back: where routines return to that Python has called.
.global back
back:
    hlt

; net_transmit: keeps a frame: length, frame.
;   in    ESI = frame, ECX = length
.global net_transmit
net_transmit:
    push esi
    push edi
    mov edi, [sent_count]
    inc dword ptr [sent_count]
    and edi, SENT_SLOTS - 1
    imul edi, edi, SLOT_BYTES
    add edi, sent
    mov [edi], ecx
    add edi, SLOT_DATA
    rep movsb
    mov eax, 0xdeadbeef         ; it may destroy these
    mov edx, eax
    mov ecx, eax
    pop edi
    pop esi
    ret

; net_clock: what Python says.
;   out   EAX = milliseconds
.global net_clock
net_clock:
    mov eax, [now]
    mov ecx, 0xdeadbeef         ; it may destroy these
    mov edx, ecx
    ret

; net_wake: keeps the last ones that were woken, and calls the owner, if there is one.
;   in    EAX = LISTENER or CONN
.global net_wake
net_wake:
    mov edx, [woken_count]
    inc dword ptr [woken_count]
    and edx, WOKEN_SLOTS - 1
    mov [woken + edx * 4], eax
    mov ecx, [eax + CONN_OWNER]
    jecxz .Lnobody
    call ecx
.Lnobody:
    mov eax, 0xdeadbeef         ; it may destroy these
    mov edx, eax
    mov ecx, eax
    ret

; host: owner of a listener: takes connections, which belong to reply then.
;   in    EAX = LISTENER
.global host
host:
    push ebx
    mov ebx, eax
.Lnext:
    mov eax, ebx
    call tcp_accept
    jc .Lreturn
    mov dword ptr [eax + CONN_OWNER], reply
    call reply
    jmp .Lnext
.Lreturn:
    pop ebx
    ret

; reply: owner of a connection: sends back what comes, and closes it when the peer has.
;   in    EAX = CONN
reply:
    push ebx
    mov ebx, eax
.Lnext:
    mov ecx, [ebx + CONN_UNA]
    add ecx, TCP_BUFFER
    sub ecx, [ebx + CONN_END]   ; as much as can be written
    jz .Lreturn
    mov eax, ebx
    mov edx, replied
    call tcp_read
    jc .Lnothing
    mov ecx, eax
    jecxz .Lclose
    mov eax, ebx
    mov edx, replied
    call tcp_write
    jmp .Lnext
.Lnothing:
    cmp eax, NET_AGAIN
    je .Lreturn
.Lclose:
    mov eax, ebx
    call tcp_close
.Lreturn:
    pop ebx
    ret

; feed: many frames come, one after the other.
;   in    ESI = length, frame, length, frame...; -1 at the end
.global feed
feed:
    lodsd
    test eax, eax
    js .Lreturn
    mov ecx, eax
    push esi
    push eax
    call net_input
    pop eax
    pop esi
    add esi, eax
    jmp feed
.Lreturn:
    ret

; restless: owner of a connection: sends a datagram to ourselves, and keeps how many packets wait then.
.global restless
restless:
    push esi
    mov eax, IP_LOOPBACK
    mov edx, NOTED << 16 | NOTED
    mov esi, noted
    xor ecx, ecx
    call udp_send
    mov eax, [net_loop_waits]
    mov [left], eax
    pop esi
    ret

; echo: answers a datagram with its data.
.global echo
echo:
    rol edx, 16
    jmp udp_send

; flood: answers a datagram many times.
.global flood
flood:
    push ebx
    push edi
    mov ebx, FLOOD
    mov edi, eax
    rol edx, 16
.Lnext:
    push edx
    push ecx
    mov eax, edi
    call udp_send
    pop ecx
    pop edx
    dec ebx
    jnz .Lnext
    pop edi
    pop ebx
    ret

; note: keeps the last datagram: sender, ports, argument, length; data.
.global note
note:
    push esi
    push edi
    mov edi, noted
    stosd
    mov eax, edx
    stosd
    mov eax, ebx
    stosd
    mov eax, ecx
    stosd
    rep movsb
    pop edi
    pop esi
    ret

.bss

.global now, sent, sent_count, noted, left, room, woken, woken_count

.align 16
now:
    .space 4
sent_count:
    .space 4
woken_count:
    .space 4
woken:
    .space WOKEN_SLOTS * 4
left:
    .space 4
noted:
    .space SLOT_BYTES
replied:
    .space TCP_BUFFER
sent:
    .space SENT_SLOTS * SLOT_BYTES
room:                           ; for what Python hands over
    .space 0x100000
