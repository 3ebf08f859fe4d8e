; Which sockets are ready for what, and who is told when one becomes it, beside those who wait in a call for it.
;
; Owns the table of what is wanted of each socket: a WATCHED for each, at twice its distance from the first one. Whoever
; wants to know finds everything there, so what an event of a socket costs does not depend on how many there are.

.include "ecalls.inc"
.include "sockets/sockets.inc"

KEPT_SOCKET = 12                ; watched_tell keeps EDX there, from ESP

.text

; socket_own: a socket of a process.
;   in    EAX = its number, straight from the program; EBP = PCB
;   out   EDX = SOCKET; CF set: it is none of its own. EAX, ECX are kept
.global socket_own
socket_own:
    mov edx, eax
    dec edx
    cmp edx, SOCKETS
    jae .Lno
    shl edx, SOCKET_SHIFT
    add edx, sockets
    cmp [edx + SOCKET_OWNER], ebp
    je .Lreturn                 ; CF is clear
.Lno:
    stc
.Lreturn:
    ret

; socket_name: what its program calls a socket.
;   in    EDX = SOCKET
;   out   EAX = its number; EDX, ECX are kept
.global socket_name
socket_name:
    mov eax, edx
    sub eax, sockets
    shr eax, SOCKET_SHIFT
    inc eax
    ret

; socket_ready: what is a socket ready for?
;   in    EDX = SOCKET
;   out   EAX = READY_ bits; EDX is kept
;
; A connection that has failed or whose stream has ended is ready: who calls gets an error and does not wait.
.global socket_ready
socket_ready:
    mov eax, [edx + SOCKET_KIND]
    mov ecx, [edx + SOCKET_NET]
    cmp eax, SOCKET_STREAM
    jne .Lother
    mov eax, [ecx + CONN_STATE]
    cmp eax, TCP_ENDED
    je .Lboth
    cmp eax, TCP_ESTABLISHED
    je .Lopen
    cmp eax, TCP_SYN_SENT
    je .Lnothing
    cmp eax, TCP_CLOSE_WAIT
    jne .Lwrite
.Lopen:
    mov eax, [ecx + CONN_UNA]
    add eax, TCP_BUFFER
    cmp eax, [ecx + CONN_END]
    je .Lread
.Lwrite:
    mov eax, [ecx + CONN_GOT]   ; the end of the stream has a number, too, which is never read
    cmp eax, [ecx + CONN_READ]
    mov eax, READY_WRITE
    je .Lreturn
.Lboth:
    mov eax, READY_READ | READY_WRITE
.Lreturn:
    ret
.Lread:
    mov eax, [ecx + CONN_GOT]
    cmp eax, [ecx + CONN_READ]
    mov eax, READY_READ
    jne .Lreturn
.Lnothing:
    xor eax, eax
    ret
.Lother:
    cmp eax, SOCKET_LISTENER
    je .Llistener
    mov ecx, [edx + SOCKET_MAIL]
    mov eax, [ecx + MAIL_FIRST]
    cmp eax, [ecx + MAIL_END]
    mov eax, READY_WRITE        ; sending never waits
    je .Lreturn
    jmp .Lboth
.Llistener:
    xor eax, eax
    cmp [ecx + LISTENER_HEAD], eax
    setne al
    ret

.assert READY_READ == 1, "socket_ready"

; watched_of: what is wanted of a socket.
;   in    EDX = SOCKET
;   out   EAX = WATCHED; EDX, ECX are kept
.global watched_of
watched_of:
    mov eax, edx
    sub eax, sockets
    lea eax, [eax * 2 + watched]
    ret

; watched_socket: the reverse.
;   in    EAX = WATCHED
;   out   EDX = SOCKET; EAX, ECX are kept
.global watched_socket
watched_socket:
    mov edx, eax
    sub edx, watched
    shr edx, 1
    add edx, sockets
    ret

; watched_tell: something has happened with a socket.
;   in    EAX = PCB of its owner, EDX = SOCKET
;   out   EAX, EDX are kept
.global watched_tell
watched_tell:
    push eax
    push edx
    mov ecx, edx
    sub ecx, sockets
    lea ecx, [ecx * 2 + watched]
    cmp dword ptr [ecx + WATCHED_OWNER], 0
    jne .Lwatched
    cmp dword ptr [eax + PCB_WATCHER + WATCHER_SELECT], 0
    je .Lreturn
.Lwatched:
    push ebx
    push esi
    push edi
    mov ebx, ecx
    mov edi, eax
    call socket_ready
    mov esi, eax
    cmp dword ptr [edi + PCB_WATCHER + WATCHER_SELECT], 0
    je .Linterest
    call select_tell
.Linterest:
    test [ebx + WATCHED_WANTS], esi
    jz .Lrings
    call interest_tell
.Lrings:
    cmp dword ptr [ebx + WATCHED_OPERATION], 0
    je .Lio
    call rings_tell
.Lio:
    test [ebx + WATCHED_CHANNEL_WANTS], esi
    jz .Ldone
    mov edx, [esp + KEPT_SOCKET]
    call io_tell
.Ldone:
    pop edi
    pop esi
    pop ebx
.Lreturn:
    pop edx
    pop eax
    ret

; watched_wake: a process that waits in SYS_READY or SYS_RINGS_ENTER has a reason to look.
;   in    EDI = PCB
.global watched_wake
watched_wake:
    cmp dword ptr [edi + PCB_WATCHER + WATCHER_WAITS], 0
    je .Lreturn
    mov eax, edi
    jmp wait_wake
.Lreturn:
    ret

; watched_close: a socket is about to be closed by its program: nobody wants to know of it any more.
;   in    EDX = SOCKET, EBP = PCB of its owner, the running process
.global watched_close
watched_close:
    call watched_of
    cmp dword ptr [eax + WATCHED_OWNER], 0
    je .Lreturn
    push ebx
    mov ebx, eax
    call interest_close
    call rings_close
    call io_close
    mov dword ptr [ebx + WATCHED_OWNER], 0
    mov dword ptr [ebx + WATCHED_WANTS], 0
    pop ebx
.Lreturn:
    ret

; watched_end: a process has ended: its sockets are closed, and it wants to know nothing.
;   in    EAX = PCB
.global watched_end
watched_end:
    push ebx
    push edi
    mov edx, eax
    mov ebx, watched
.Lnext:
    cmp [ebx + WATCHED_OWNER], edx
    jne .Lskip
    mov edi, ebx
    xor eax, eax
    mov ecx, WATCHED_SIZE / 4
    rep stosd
.Lskip:
    add ebx, WATCHED_SIZE
    cmp ebx, watched_behind
    jb .Lnext
    pop edi
    pop ebx
    ret

; watched_begin: a call begins that may wait for some ticks.
;   in    EBP = PCB, EDI = ticks as the program says
.global watched_begin
watched_begin:
    mov eax, [clock_ticks]
    add eax, edi
    mov [ebp + PCB_WATCHER + WATCHER_UNTIL], eax
    ret

; watched_wait: waits, in a call that has looked and found nothing.
;   in    EBP = PCB, EDI = ticks as the program says
;   out   when it is worth another look; CF set: EAX = what the call answers: 0: its time is over, or ERR_INTERRUPTED
.global watched_wait
watched_wait:
    push ebx
    mov ebx, FOR_EVER
    test edi, edi
    js .Lsignal
    mov ebx, [ebp + PCB_WATCHER + WATCHER_UNTIL]
    sub ebx, [clock_ticks]
    xor eax, eax
    cmp ebx, 1
    jl .Lno
.Lsignal:
    mov eax, ERR_INTERRUPTED
    test dword ptr [ebp + PCB_DUE], DUE_SIGNAL
    jnz .Lno
    mov ecx, NO_SOCKET
    call wait
    pop ebx
    clc
    ret
.Lno:
    pop ebx
    stc
    ret

.assert WATCHED_SIZE == 2 * SOCKET_SIZE, "watched_of"
.assert SOCKETS < READY_WORDS * 32, "a set of sockets has a bit for each"

.bss

.global watched

.align 64
watched:                        ; WATCHEDs, in the order of the sockets
    .space SOCKETS * WATCHED_SIZE
watched_behind:
