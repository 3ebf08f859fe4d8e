; Does a server run that a client sends to instead of calling it?

.include "test.inc"

STACK = 1024

.text

; main: asks.
.global main
main:
    START server, stack_top
    mov ebp, eax
    mov eax, NIL_THREAD
    call thread_switch              ; so that it waits already
    mov eax, ebp
    mov esi, 1
    mov ebx, 41
    call ipc_send
    SAY "sent\n"
    mov edx, ebp
    call ipc_receive
    mov eax, ebx
    VALUE "the server says "
    xor eax, eax
    ret

; server: waits for a number, and sends the next one back when it gets round to it.
server:
    mov edx, ANY_THREAD
    call ipc_receive
    push eax
    SAY "received\n"
    pop eax
    inc ebx
    mov esi, 1
    call ipc_send
    jmp server

.bss

.align 16
    .space STACK
stack_top:
