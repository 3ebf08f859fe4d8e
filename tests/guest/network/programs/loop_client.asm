; Does everything come back that is sent to another program, by way of nobody but ourselves?

.include "sockets.inc"

BLOCK = 4000
BLOCKS = 25
VALUE = 0x9e3779b1              ; what stands there is multiples of it

.text

; _start: the program.
.global _start
_start:
    SOCKET SYS_SOCKET_CONNECT, LOOPBACK, 80
    NEED "no connection\n"
    mov ebp, eax
block:
    mov ecx, BLOCK / 4
    mov edi, sent
    mov eax, [number]
fill:
    add eax, VALUE
    stosd
    loop fill
    mov [number], eax
    mov dword ptr [done], 0
write:
    mov ecx, [done]
    lea esi, [sent + ecx]
    mov edi, BLOCK
    sub edi, ecx
    mov ebx, ebp
    mov eax, SYS_SOCKET_WRITE
    int VECTOR_SYSCALL
    NEED "not written\n"
    add [done], eax
    cmp dword ptr [done], BLOCK
    jb write
    mov dword ptr [done], 0
read:
    mov ecx, [done]
    lea esi, [got + ecx]
    mov edi, BLOCK
    sub edi, ecx
    mov ebx, ebp
    mov eax, SYS_SOCKET_READ
    int VECTOR_SYSCALL
    NEED "not read\n"
    test eax, eax
    jz wrong
    add [done], eax
    cmp dword ptr [done], BLOCK
    jb read
    mov esi, sent
    mov edi, got
    mov ecx, BLOCK / 4
    repe cmpsd
    jne wrong
    inc dword ptr [blocks]
    cmp dword ptr [blocks], BLOCKS
    jne block
    SOCKET SYS_SOCKET_FINISH, ebp
    SOCKET SYS_SOCKET_READ, ebp, got, BLOCK
    EXPECT 0, "all came back\n"
    EXIT 0
wrong:
    SAY "wrong: something else came\n"
    EXIT 1

.bss
number:
    .space 4
done:
    .space 4
blocks:
    .space 4
sent:
    .space BLOCK
got:
    .space BLOCK
