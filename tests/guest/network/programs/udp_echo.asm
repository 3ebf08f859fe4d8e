; Does a program get datagrams, and can it answer them?

.include "sockets.inc"

.text

; _start: the program.
.global _start
_start:
    SOCKET SYS_SOCKET_BIND, 7
    NEED "no port\n"
    mov ebp, eax
next:
    SOCKET SYS_SOCKET_RECEIVE, ebp, datagram, UDP_MAX
    NEED "nothing received\n"
    SOCKET SYS_SOCKET_SEND, ebp, datagram, eax          ; some cannot be answered
    jmp next

.bss
datagram:
    .space DATAGRAM_SIZE + UDP_MAX
