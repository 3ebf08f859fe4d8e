; Does a program get connections, one after the other, and what is sent over them?

.include "sockets.inc"

ROOM = 3000

.text

; _start: the program.
.global _start
_start:
    SOCKET SYS_SOCKET_LISTEN, 80, 5
    NEED "no port\n"
    mov [listener], eax
accept:
    SOCKET SYS_SOCKET_ACCEPT, [listener]
    NEED "no connection\n"
    mov ebp, eax
read:
    SOCKET SYS_SOCKET_READ, ebp, buffer, ROOM
    cmp eax, 0
    jle close
    mov [left], eax
    mov dword ptr [from], buffer
write:
    SOCKET SYS_SOCKET_WRITE, ebp, [from], [left]
    cmp eax, 0
    jle close
    add [from], eax
    sub [left], eax
    jnz write
    jmp read
close:
    SOCKET SYS_SOCKET_CLOSE, ebp
    NEED "not closed\n"
    jmp accept

.bss
listener:
    .space 4
from:
    .space 4
left:
    .space 4
buffer:
    .space ROOM
