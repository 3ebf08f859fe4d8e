; What does a program get that asks for what it may not have?

.include "sockets.inc"

.text

; _start: the program.
.global _start
_start:
    SOCKET SYS_SOCKET_READ, 0, buffer, 4
    EXPECT ERR_SOCKET, "socket 0\n"
    SOCKET SYS_SOCKET_READ, 1, buffer, 4
    EXPECT ERR_SOCKET, "nobody's\n"
    SOCKET SYS_SOCKET_CLOSE, -1
    EXPECT ERR_SOCKET, "no number\n"
    SOCKET SYS_SOCKET_END, 0
    EXPECT ERR_CALL, "next call\n"
    SOCKET SYS_SOCKET_LISTEN, 0, 1
    EXPECT ERR_ARGUMENT, "port 0\n"
    SOCKET SYS_SOCKET_BIND, 9
    mov ebp, eax
    SOCKET SYS_SOCKET_RECEIVE, ebp, KERNEL_IMAGE, 100
    EXPECT ERR_ADDRESS, "kernel\n"
    SOCKET SYS_SOCKET_RECEIVE, ebp, KERNEL_BASE - 8, 100
    EXPECT ERR_ADDRESS, "into the kernel\n"
    SOCKET SYS_SOCKET_RECEIVE, ebp, _start, 4
    EXPECT ERR_ADDRESS, "to read only\n"
    SOCKET SYS_SOCKET_RECEIVE, ebp, 0xfffffff8, 100
    EXPECT ERR_ADDRESS, "around the end\n"
    SOCKET SYS_SOCKET_SEND, ebp, 0, 0
    EXPECT ERR_ADDRESS, "null\n"
    SOCKET SYS_SOCKET_SEND, ebp, USER_STACK_TOP - DATAGRAM_SIZE, 1
    EXPECT ERR_ADDRESS, "last byte unmapped\n"
    SOCKET SYS_SOCKET_SEND, ebp, DEVICE_BASE, 4
    EXPECT ERR_ADDRESS, "a device\n"
    lea ebx, [ebp + SOCKET_NOW]
    mov esi, buffer
    mov edi, 0
    mov eax, SYS_SOCKET_RECEIVE
    int VECTOR_SYSCALL
    EXPECT ERR_AGAIN, "nothing now\n"
    SOCKET SYS_SOCKET_CONNECT, LOOPBACK, 1
    mov ebp, eax
    SOCKET SYS_SOCKET_READ, ebp, buffer, 4
    EXPECT ERR_RESET, "refused\n"
    SOCKET SYS_SOCKET_WAIT, 0
    cmp eax, ebp
    je same
    SAY "wrong: "
same:
    SAY "it was told\n"
    EXIT 0

.bss
buffer:
    .space 100
