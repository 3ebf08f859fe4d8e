; A server's front: interest and readiness. See serve.asm for what a front offers.

MOST = 64                       ; sockets that are told of at a time

.text

; front_begin: nothing.
.global front_begin
front_begin:
    clc
    ret

; front_want: the kernel knows when a socket is closed; all else it is told.
.global front_want
front_want:
    cmp dword ptr [ebx + SEAT_STATE], SEAT_FREE
    je .Lreturn
    mov edx, eax
    mov eax, [ebx + SEAT_SOCKET]
    mov ecx, ebx
    jmp sys_interest
.Lreturn:
    ret

; front_ask: asks.
.global front_ask
front_ask:
    push ebx
    push esi
    push edi
    xor ecx, ecx
    cmp eax, SOCKET_NOW
    je .Lcall
    dec ecx
.Lcall:
    mov eax, ready
    mov edx, MOST
    call sys_ready
    push eax
    mov edi, eax
    mov esi, ready
.Lnext:
    dec edi
    js .Lreturn
    mov ebx, [esi + READINESS_DATA]
    call seat_ready
    add esi, READINESS_SIZE
    jmp .Lnext
.Lreturn:
    pop eax
    pop edi
    pop esi
    pop ebx
    ret

.bss

.align 4
ready:                          ; READINESSes
    .space MOST * READINESS_SIZE
