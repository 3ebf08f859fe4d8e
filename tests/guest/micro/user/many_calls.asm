; Do threads that wait for the same socket all get something, and what if too many are in calls?

.include "test.inc"

FEW = 20
TURNS = 50                      ; in which everybody comes to his call
PORT = 100
LOOPBACK = 0x0100007F           ; 127.0.0.1, as its bytes are written
STACK = 512

.text

; main: a few wait for a datagram, and get it; then as many as can be in calls wait, and we call.
.global main
main:
    mov eax, PORT
    call socket_bind
    mov [socket], eax
    mov dword ptr [datagram + DATAGRAM_ADDRESS], LOOPBACK
    mov dword ptr [datagram + DATAGRAM_PORT], PORT
    xor ebp, ebp
    mov esi, FEW
    call wait_for
    mov ebx, FEW
.Lsend:
    call send
    dec ebx
    jnz .Lsend
.Lheard:
    mov eax, NIL_THREAD
    call thread_switch
    cmp dword ptr [heard], FEW
    jb .Lheard
    mov eax, [heard]
    VALUE "heard: "
    mov esi, NETCALL_COUNT
    call wait_for
    call send
    neg eax
    VALUE "one too many: "
    xor eax, eax
    ret

; wait_for: more workers, until there are so many, and all of them wait.
;   in    EBP = how many there are, ESI = how many there will be
;   out   EBP
wait_for:
    imul edx, ebp, STACK
    add edx, stacks + STACK
    START worker, edx
    inc ebp
    cmp ebp, esi
    jb wait_for
    mov edi, TURNS
.Lturn:
    mov eax, NIL_THREAD
    call thread_switch
    dec edi
    jnz .Lturn
    ret

; send: sends a datagram.
;   out   EAX = 1, or an error
send:
    mov eax, [socket]
    mov edx, datagram
    mov ecx, 1
    jmp socket_send

; worker: counts what comes.
worker:
    mov eax, [socket]
    mov edx, room
    mov ecx, 4
    call socket_receive
    add [heard], eax
    jmp worker

.bss

.align 16
stacks:
    .space NETCALL_COUNT * STACK
socket:
    .space 4
heard:                          ; bytes
    .space 4
datagram:
    .space DATAGRAM_SIZE + 4
room:
    .space DATAGRAM_SIZE + 4
