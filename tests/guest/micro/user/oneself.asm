; Does the network in a program carry what is for the program itself?

.include "test.inc"

PORT = 80
LOOPBACK = 0x0100007F           ; 127.0.0.1, as its bytes are written

.text

; main: sends itself a datagram, and some bytes by TCP.
.global main
main:
    mov eax, PORT
    call socket_bind
    mov ebx, eax
    mov dword ptr [datagram + DATAGRAM_ADDRESS], LOOPBACK
    mov dword ptr [datagram + DATAGRAM_PORT], PORT
    mov edx, datagram
    mov ecx, 5
    call socket_send
    mov eax, ebx
    mov edx, datagram
    mov ecx, 100
    call socket_receive
    VALUE "heard: "

    mov eax, PORT
    mov edx, 1
    call socket_listen
    mov ebx, eax
    mov eax, LOOPBACK
    mov edx, PORT
    call socket_connect
    mov ebp, eax
    mov edx, datagram
    mov ecx, 5
    call socket_write           ; waits until it is established
    mov eax, ebx
    call socket_accept
    mov edx, datagram
    mov ecx, 100
    call socket_read
    VALUE "heard: "
    xor eax, eax
    ret

.bss

.align 4
datagram:                       ; DATAGRAM
    .space DATAGRAM_SIZE + 100
