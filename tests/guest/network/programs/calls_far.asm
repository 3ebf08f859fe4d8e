; Does a program that calls another host hear that nobody listens there?

.include "sockets.inc"

.text

; _start: the program.
.global _start
_start:
    SOCKET SYS_SOCKET_CONNECT, PEER, 80
    NEED "no connection\n"
    mov ebp, eax
    SOCKET SYS_SOCKET_WRITE, ebp, _start, 5
    EXPECT ERR_RESET, "refused\n"
    EXIT 0
