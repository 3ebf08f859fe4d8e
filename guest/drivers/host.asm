; Who we are on the network: our addresses are an image's parameters, our MAC is the card's.

.text

; host_init: our addresses.
;   out   EAX = ours, its bytes in memory order
.global host_init
host_init:
    mov eax, HOST_MASK
    bswap eax
    mov [host + NET_MASK], eax
    mov eax, HOST_GATEWAY
    bswap eax
    mov [host + NET_GATEWAY], eax
    mov eax, HOST_ADDRESS
    bswap eax
    mov [host + NET_ADDRESS], eax
    ret

; host_start: the network begins, with the card behind e1000_init, or without one.
.global host_start
host_start:
    mov eax, [e1000_mac]
    mov [host + NET_MAC], eax
    mov ax, [e1000_mac_end]
    mov [host + NET_MAC_END], ax
    mov eax, host
    jmp net_init

.bss

.global host

.align 4
host:                           ; NET
    .space NET_SIZE
