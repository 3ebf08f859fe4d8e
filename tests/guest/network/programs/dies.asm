; What becomes of the connection of a program that a fault ends?

.include "sockets.inc"

.text

; _start: the program.
.global _start
_start:
    SOCKET SYS_SOCKET_LISTEN, 80, 5
    mov ebp, eax
    SOCKET SYS_SOCKET_ACCEPT, ebp
    mov ebp, eax
    SOCKET SYS_SOCKET_READ, ebp, buffer, 1
    ud2

.bss
buffer:
    .space 4
