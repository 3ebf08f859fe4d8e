; What does a program with the network in it leave behind?

.include "test.inc"

.text

; main: listens, and then does something wrong.
.global main
main:
    mov eax, 7
    call socket_bind
    BURN 1000000
    mov eax, [0]
