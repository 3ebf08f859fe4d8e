; The loop of servers that say what their sockets are to be ready for, and hear of those that are; as in guest/user/net,
; each has a turn then (../net/seats.asm). How they say and hear is a front's affair, of which one is linked:
;
;     front_begin     before all else. In: EAX = words of the argument string that are left. Out: CF set: EAX = error
;     front_want      In: EBX = SEAT, EAX = READY_ bits that its socket is to be ready for; 0: for nothing now, or it has
;                     been closed: SEAT_STATE is SEAT_FREE
;     front_ask       In: EAX = 0, or SOCKET_NOW: do not wait. Out: EAX = how many are ready, all of which have been told
;                     by seat_ready; or ERR_INTERRUPTED, or another error
;
; A round is a question and a turn for everybody who is ready. Who gets somewhere has another turn at once, up to TURNS; who
; listens, until nobody waits: new connections come first, as in thttpd. A socket is asked for when its turn has got
; nowhere. So one whose client has said all at once is never asked for.

TURNS = 8                       ; one behind the other, while others wait for theirs

.text

; serve: gives turns, for ever.
;   in    EAX = words of the argument string that are left: the front's
;   out   EAX = error of the front, should there be one
.global serve
serve:
    call front_begin
    jc .Lreturn
.Lround:
    mov eax, SOCKET_NOW
    cmp dword ptr [ready_head], 0
    jne .Lask
    cmp dword ptr [refused], 0
    jne .Lask                   ; before somebody has to make room
.Lidle:
    xor eax, eax
.Lask:
    call front_ask
    cmp eax, ERR_INTERRUPTED
    je .Lround
    test eax, eax
    js .Lreturn
    mov edx, [ready_tail]
    mov [last], edx
    cmp dword ptr [ready_head], 0
    jne .Lnext
    test eax, eax
    jnz .Lround
    call seat_clear
    jc .Lidle
    call serve_want
    jmp .Lround

.Lnext:
    call seat_take
    cmp ebx, [refused]
    je .Lended                  ; it is ready again when there is room
    mov dword ptr [turns], TURNS
.Lturn:
    push ebx
    call dword ptr [ebx + SEAT_TURN]
    pop ebx
    jnc .Lwant
    cmp dword ptr [ebx + SEAT_STATE], SEAT_STAYS
    je .Lturn
    dec dword ptr [turns]
    jnz .Lturn
    call seat_ready
    jmp .Lended
.Lwant:
    call serve_want
.Lended:
    cmp ebx, [last]
    jne .Lnext
    jmp .Lround
.Lreturn:
    ret

; serve_want: what is a socket to be ready for?
;   in    EBX = SEAT that has had a turn
serve_want:
    mov edx, [ebx + SEAT_STATE]
    xor eax, eax
    cmp edx, SEAT_FREE
    je .Lcompare
    cmp ebx, [refused]
    je .Lcompare                ; until there is room, it would be told of for nothing
    mov eax, READY_READ
    cmp edx, SEAT_SPEAKS
    jne .Lcompare
    mov eax, READY_WRITE
.Lcompare:
    cmp [ebx + SEAT_WANTS], eax
    je .Lreturn
    mov [ebx + SEAT_WANTS], eax
    jmp front_want
.Lreturn:
    ret

.bss

.align 4
last:                           ; SEAT that has this round's last turn
    .space 4
turns:                          ; that whose turn it is may still have in this round
    .space 4
