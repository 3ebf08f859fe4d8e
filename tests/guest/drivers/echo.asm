; A machine without a kernel that answers ping, and echoes UDP on port 7: the driver and the network, and nothing else.

.include "net/net.inc"

ECHO = 7                        ; port, RFC 862
MILLISECOND_SHIFT = 19          ; of RDTSC: about a millisecond at 500 MHz

.text

; start: the card and the network are set going; then whatever comes is answered.
.global start
start:
    mov esp, stack_top
    call e1000_find
    jc start
    mov edx, card_memory
    mov ecx, edx                ; there is no paging
    call e1000_init
    mov eax, [e1000_mac]
    mov [config + NET_MAC], eax
    mov ax, [e1000_mac_end]
    mov [config + NET_MAC_END], ax
    mov eax, config
    call net_init
    mov eax, ECHO
    mov edx, echo
    xor ecx, ecx
    call udp_bind

; poll: what has come is taken, again and again.
.global poll
poll:
    call e1000_poll
    call net_tick
    jmp poll

; echo: answers a datagram with its data.
;   in    EAX = sender's address, EDX = pair of ports, ESI = data, ECX = bytes
echo:
    rol edx, 16
    jmp udp_send

; net_clock: the time.
;   out   EAX = milliseconds, about
.global net_clock
net_clock:
    rdtsc
    shrd eax, edx, MILLISECOND_SHIFT
    ret

; net_wake: nobody uses TCP here.
.global net_wake
net_wake:
    ret

.data

.align 4
config:                         ; NET: 10.0.0.2, network 10.0.0.0/24, no way out of it
    .space NET_ADDRESS
    .byte 10, 0, 0, 2
    .byte 255, 255, 255, 0
    .byte 0, 0, 0, 0

.bss

.global card_memory

.align 4096
card_memory:
    .space E1000_SIZE
    .space 4096
stack_top:
    .space 16
