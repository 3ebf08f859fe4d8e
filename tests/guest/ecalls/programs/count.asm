; A server of guest/user/ecalls that counts bytes: it ends when it has heard all that `drip` sends.

.text

; main: serves.
.global main
main:
    mov eax, PORT
    mov edx, 4
    call socket_listen
    mov edx, listen_turn
    mov ecx, SEAT_STAYS
    call seat_new
    mov eax, no_arguments
    call serve
    mov eax, 2
    ret

listen_turn:
    mov edx, count_turn
    jmp seat_accept

count_turn:
    mov eax, [ebx + SEAT_SOCKET]
    or eax, SOCKET_NOW
    lea edx, [ebx + SEAT_BUFFER]
    mov ecx, SEAT_ROOM
    call socket_read
    cmp eax, 1
    jl none
more:
    add [heard], eax
    mov edx, [heard]
    xor eax, eax
    cmp edx, DRIPS
    jae sys_exit
    stc
    ret
none:
    clc
    ret

.rodata
no_arguments:
    .byte 0

.bss
.align 4
heard:
    .space 4
