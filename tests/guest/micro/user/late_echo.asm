; Can a program have the card that another one had, and talk?

.include "test.inc"

ROOM = 1472

.text

; main: waits, starts the network, and sends datagrams back.
.global main
main:
    BURN 6000000
    call net_start
    mov eax, 7
    call socket_bind
    mov ebx, eax
.Lnext:
    mov eax, ebx
    mov edx, datagram
    mov ecx, ROOM
    call socket_receive
    mov ecx, eax
    mov eax, ebx
    mov edx, datagram
    call socket_send
    jmp .Lnext

.bss

.align 4
datagram:                       ; DATAGRAM
    .space DATAGRAM_SIZE + ROOM
