; What servers have in common: many sockets, and a turn for each of them with which there is something to do.
;
; A socket has a SEAT, and that a routine, its turn: one step that does not wait, so nobody waits for a slow client. For a
; turn holds:
;
;     in    EBX = SEAT
;     out   CF set: it got somewhere, and may do more; clear: not before something happens with the socket.
;           All registers but ESP may be destroyed
;
; Whoever gives the turns (serve.asm) says when a socket is ready for one. When no more sockets can be had, the client who
; has said nothing for longest makes room for the next one; one who is being sent something, only if that has stood still
; for a while.

PATIENCE = 32768                ; how long it may have stood still, times 2^16 cycles

.text

; seat_new: a socket gets a seat, and soon its first turn.
;   in    EAX = socket, EDX = its turn, ECX = SEAT_STATE
;   out   EBX = SEAT
.global seat_new
seat_new:
    mov ebx, seats              ; there are as many as sockets
.Lnext:
    cmp dword ptr [ebx + SEAT_STATE], SEAT_FREE
    je .Lfree
    add ebx, SEAT_SIZE
    jmp .Lnext
.Lfree:
    mov [seat_of + eax * 4], ebx
    mov [ebx + SEAT_SOCKET], eax
    mov [ebx + SEAT_TURN], edx
    mov [ebx + SEAT_STATE], ecx
    mov dword ptr [ebx + SEAT_HAVE], 0
    mov dword ptr [ebx + SEAT_SENT], 0
    call seat_moved

; seat_ready: there is something to do with a socket.
;   in    EBX = SEAT
.global seat_ready
seat_ready:
    cmp dword ptr [ebx + SEAT_READY], 0
    jne .Lreturn
    mov dword ptr [ebx + SEAT_READY], 1
    mov eax, ebx
    xchg eax, [ready_tail]
    cmp dword ptr [ready_head], 0
    je .Lalone
    mov [eax + SEAT_NEXT], ebx
    ret
.Lalone:
    mov [ready_head], ebx
.Lreturn:
    ret

; seat_moved: a client gets somewhere.
;   in    EBX = SEAT
.global seat_moved
seat_moved:
    call clock
    mov [ebx + SEAT_SINCE], eax
    ret

; seat_take: whose turn is next?
;   out   EBX = SEAT; CF set: nobody's
.global seat_take
seat_take:
    mov ebx, [ready_head]
    cmp ebx, 1
    jb .Lreturn
    mov eax, [ebx + SEAT_NEXT]
    cmp ebx, [ready_tail]
    jne .Ltake
    xor eax, eax
.Ltake:
    mov [ready_head], eax
    mov dword ptr [ebx + SEAT_READY], 0
    clc
.Lreturn:
    ret

; seat_leave: closes a socket and frees its seat, in its turn or while it has none.
;   in    EBX = SEAT
;   out   CF clear, as a turn gives it
.global seat_leave
seat_leave:
    mov dword ptr [ebx + SEAT_STATE], SEAT_FREE
    mov eax, [ebx + SEAT_SOCKET]
    mov dword ptr [seat_of + eax * 4], 0
    call socket_close
    mov eax, [connections]
    dec dword ptr [eax]
    xor eax, eax
    xchg eax, [refused]
    test eax, eax
    jz .Lreturn
    push ebx
    mov ebx, eax
    call seat_ready
    pop ebx
.Lreturn:
    clc
    ret

; seat_accept: the turn of a socket that listens, but for what its clients' turn is.
;   in    EBX = SEAT, EDX = turn of its clients
;   out   CF as a turn gives it
.global seat_accept
seat_accept:
    push edx
    mov eax, [ebx + SEAT_SOCKET]
    or eax, SOCKET_NOW
    call socket_accept
    pop edx
    cmp eax, ERR_FULL
    je .Lfull
    test eax, eax
    js .Lreturn                 ; CF is clear
    mov ecx, SEAT_HEARS
    call seat_new
    mov eax, [connections]
    inc dword ptr [eax]
    stc
.Lreturn:
    ret
.Lfull:
    mov [refused], ebx
    clc
    ret

; seat_clear: somebody has to make room.
;   out   EBX = SEAT that has become free; CF set: nobody
.global seat_clear
seat_clear:
    call clock
    mov edx, eax
    mov ecx, -1                 ; how long the one who would go has been waited for
    xor edi, edi                ; his SEAT
    mov ebx, seats
.Lnext:
    cmp dword ptr [ebx + SEAT_STATE], SEAT_HEARS
    jb .Lskip
    mov eax, edx
    sub eax, [ebx + SEAT_SINCE]
    cmp dword ptr [ebx + SEAT_STATE], SEAT_SPEAKS
    jne .Lcompare
    cmp eax, PATIENCE
    jl .Lskip
.Lcompare:
    cmp eax, ecx
    jle .Lskip
    mov ecx, eax
    mov edi, ebx
.Lskip:
    add ebx, SEAT_SIZE
    cmp ebx, seats_end
    jb .Lnext
    mov ebx, edi
    test edi, edi
    jnz seat_leave
    stc
    ret

; clock: the time.
;   out   EAX = RDTSC, in 2^16 cycles; EDX is destroyed
clock:
    rdtsc
    shrd eax, edx, 16
    ret

.data

.global connections

.align 4
connections:                    ; where it is said how many clients have a seat: somebody may want to know
    .long clients

.bss

.global ready_head, ready_tail, refused, seat_of

.align 4
ready_head:                     ; SEAT whose turn is next, or 0
    .space 4
ready_tail:                     ; the last one
    .space 4
clients:                        ; how many have a seat
    .space 4
refused:                        ; SEAT of a socket whose client finds no room, or 0
    .space 4
seat_of:                        ; by socket: its SEAT, or 0
    .space (SOCKETS + 1) * 4
seats:
    .space SEATS * SEAT_SIZE
seats_end:
