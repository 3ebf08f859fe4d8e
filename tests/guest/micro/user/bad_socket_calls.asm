; What becomes of socket calls that make no sense, and of one with a bad pointer?

.include "test.inc"

.text

; TRY number, first, second=0, third=0: a call; the result as a positive number.
.macro TRY number, first=0, second=0, third=0
    mov eax, \number
    mov ebx, \first
    mov esi, \second
    mov edi, \third
    call dword ptr [syscall]
    neg eax
.endm

; main: makes them.
.global main
main:
    TRY 0
    VALUE "a number below: "
    TRY SYS_SOCKET_END
    VALUE "one above: "
    TRY SYS_SOCKET_READ, 99
    VALUE "no socket: "
    TRY SYS_SOCKET_BIND, 7
    neg eax
    mov ebp, eax
    mov ecx, eax
    or ecx, SOCKET_NOW
    TRY SYS_SOCKET_RECEIVE, ecx, buffer, 4
    VALUE "nothing has come: "
    TRY SYS_SOCKET_SEND, ebp, UTCB_BASE - 4, 4
    VALUE "an address that is nobody's: "
    TRY SYS_SOCKET_SEND, ebp, 0xFFFFFFF8, 16
    VALUE "the last addresses of all: "
    TRY SYS_SOCKET_SEND, ebp, 0x70000000, 4
    VALUE "never "

.bss

.align 4
buffer:
    .space DATAGRAM_SIZE + 4
