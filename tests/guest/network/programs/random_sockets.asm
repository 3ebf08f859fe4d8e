; Does the kernel survive any socket calls with any arguments?

.include "sockets.inc"

CALLS = 4000
RANDOM_FACTOR = 1664525         ; a linear congruential generator (Numerical Recipes)
RANDOM_STEP = 1013904223

; RANDOM: the next random number, in EAX.
.macro RANDOM
    imul eax, [seed], RANDOM_FACTOR
    add eax, RANDOM_STEP
    mov [seed], eax
    bswap eax                   ; its high bits are better
.endm

.text

; _start: the program.
.global _start
_start:
    RANDOM
    and eax, 7
    mov esi, [arguments + eax * 4]
    RANDOM
    and eax, 7
    mov edi, [arguments + eax * 4]
    RANDOM
    and eax, 7
    mov edx, [arguments + eax * 4]
    RANDOM
    and eax, 31                 ; most often a number of a socket, or a port
    test eax, 16
    jz chosen
    mov eax, edx
chosen:
    or eax, SOCKET_NOW
    mov ebx, eax
    RANDOM
    and eax, 15
    add eax, SYS_SOCKET_FIRST
    cmp eax, SYS_SOCKET_LISTEN
    je port
    cmp eax, SYS_SOCKET_BIND
    jne call
port:
    and ebx, SOCKET_NOW - 1
call:
    int VECTOR_SYSCALL
    inc dword ptr [calls]
    cmp dword ptr [calls], CALLS
    jb _start
    SAY "survived\n"
    EXIT 0

.data
seed:
    .long 1
arguments:
    .long 0, 1, 7, 1500, buffer, USER_STACK_TOP - 4, KERNEL_IMAGE, 0x0100007f

.bss
calls:
    .space 4
buffer:
    .space 4096
