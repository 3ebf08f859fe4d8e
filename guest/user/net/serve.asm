; The loop of servers: asks which socket something has happened with, and gives turns (seats.asm).
;
; When no more sockets can be had, somebody makes room while nobody has a turn: only then is it the client who keeps us
; waiting.

TURNS = 8                       ; between looks for what has happened, while somebody has a turn

.text

; serve: gives turns, for ever.
;   in    EAX = words of the argument string that are left: none is of interest here
;   out   EAX = error of socket_wait, should there be one
.global serve
serve:
    mov eax, SOCKET_NOW
    cmp dword ptr [ready_head], 0
    jne .Lbusy
    cmp dword ptr [refused], 0
    je .Lidle
    call socket_wait
    cmp eax, ERR_AGAIN
    jne .Lheard
    call seat_clear
    jnc serve
.Lidle:
    xor eax, eax
    jmp .Lask
.Lbusy:
    dec dword ptr [turns]
    jns .Lturn
    mov dword ptr [turns], TURNS
.Lask:
    call socket_wait
.Lheard:
    cmp eax, ERR_AGAIN
    je .Lturn
    test eax, eax
    js .Lreturn
    mov ebx, [seat_of + eax * 4]
    test ebx, ebx
    jz .Lturn                   ; of a socket that has been closed since
    call seat_ready
.Lturn:
    call seat_take
    jc serve
    push ebx
    call dword ptr [ebx + SEAT_TURN]
    pop ebx
    jnc serve
    call seat_ready
    jmp serve
.Lreturn:
    ret

.bss

.align 4
turns:                          ; that are left until the next look
    .space 4
