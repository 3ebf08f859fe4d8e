; What the network stack is linked with in its tests: a wire that keeps what is sent, a clock that Python sets, and some
; users of UDP.

SENT_SLOTS = 256                ; frames that are kept, the last ones
WOKEN_SLOTS = 256               ; likewise of who is woken
SLOT_BYTES = 2048               ; of each
SLOT_DATA = 16                  ; where the data begin in a slot

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

; net_wake: keeps the last ones that were woken.
;   in    EAX = LISTENER or CONN
.global net_wake
net_wake:
    mov edx, [woken_count]
    inc dword ptr [woken_count]
    and edx, WOKEN_SLOTS - 1
    mov [woken + edx * 4], eax
    mov eax, 0xdeadbeef         ; it may destroy these
    mov edx, eax
    mov ecx, eax
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

; echo: answers a datagram with its data.
.global echo
echo:
    rol edx, 16
    jmp udp_send

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

.global now, sent, sent_count, noted, room, woken, woken_count

.align 16
now:
    .space 4
sent_count:
    .space 4
woken_count:
    .space 4
woken:
    .space WOKEN_SLOTS * 4
noted:
    .space SLOT_BYTES
sent:
    .space SENT_SLOTS * SLOT_BYTES
room:                           ; for what Python hands over
    .space 0x100000
