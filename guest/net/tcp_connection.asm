; TCP: connections, from their beginning to their end.
;
; Owns the connections and their rings. The first free one is taken, and connections_top is behind the last one in use, so
; to look at all of them takes as long as there are some.

.include "net/tcp.inc"

FIRST_SEGMENTS = 3              ; that may be on their way at the start (RFC 5681)

.text

; conn_find: finds a connection.
;   in    EAX = the peer's address, not 0; EDX = CONN_PORTS
;   out   EBX = connection; CF set: none. All else is kept
.global conn_find
conn_find:
    mov ebx, connections
.Lnext:
    cmp [ebx + CONN_PORTS], edx
    jne .Lother
    cmp [ebx + CONN_ADDRESS], eax
    je .Lreturn                 ; CF is clear
.Lother:
    add ebx, CONN_SIZE
    cmp ebx, [connections_top]
    jb .Lnext
    stc
.Lreturn:
    ret

; conn_new: a place for a connection: a free one, or that of one that its owner has closed and whose peer knows. Of these
; the first whose time ends goes first, which are those that only catch late segments.
;   out   EBX = connection, all zero but its rings; CF set: none. EDI, ESI are kept
.global conn_new
conn_new:
    push edi
    push esi
    xor esi, esi                ; the one that would do
    mov ebx, connections
.Lnext:
    cmp dword ptr [ebx + CONN_STATE], TCP_FREE
    je .Lclear
    cmp dword ptr [ebx + CONN_STATE], TCP_TIME_WAIT
    je .Lover
    cmp dword ptr [ebx + CONN_STATE], TCP_FIN_WAIT_2
    jne .Lskip
.Lover:
    cmp dword ptr [ebx + CONN_CLOSED], 0
    je .Lskip
    test esi, esi
    jz .Lbetter
    mov eax, [ebx + CONN_DUE]
    sub eax, [esi + CONN_DUE]
    jns .Lskip
.Lbetter:
    mov esi, ebx
.Lskip:
    add ebx, CONN_SIZE
    cmp ebx, connections_end
    jb .Lnext
    mov ebx, esi
    test esi, esi
    stc
    jz .Lreturn
.Lclear:
    xor eax, eax
    mov edi, ebx
    mov ecx, CONN_SIZE / 4
    rep stosd
    lea eax, [ebx + CONN_SIZE]
    cmp eax, [connections_top]
    jbe .Lrings
    mov [connections_top], eax
.Lrings:
    mov eax, ebx
    sub eax, connections
    xor edx, edx
    mov ecx, CONN_SIZE
    div ecx
    imul eax, eax, 2 * TCP_BUFFER
    add eax, rings
    mov [ebx + CONN_SEND], eax
    add eax, TCP_BUFFER
    mov [ebx + CONN_RECEIVE], eax
    clc
.Lreturn:
    pop esi
    pop edi
    ret

; conn_establish: a handshake is complete.
;   in    EBX = connection that has its address, its ports, and in CONN_RETRIES what the handshake has lost;
;         EAX = number of our SYN, EDX = number of the peer's, ECX = bytes that the peer takes in a segment
.global conn_establish
conn_establish:
    mov dword ptr [ebx + CONN_STATE], TCP_ESTABLISHED
    inc eax
    mov [ebx + CONN_UNA], eax
    mov [ebx + CONN_NXT], eax
    mov [ebx + CONN_MAX], eax
    mov [ebx + CONN_END], eax
    mov [ebx + CONN_RECOVER], eax
    mov [ebx + CONN_WINDOW_ACK], eax
    mov [ebx + CONN_WINDOW_SEQ], edx    ; before that of the segment that comes now
    inc edx
    mov [ebx + CONN_GOT], edx
    mov [ebx + CONN_READ], edx
    add edx, TCP_BUFFER
    mov [ebx + CONN_EDGE], edx
    mov dword ptr [ebx + CONN_SSTHRESH], 0xffff
    mov [ebx + CONN_MSS], ecx
    mov eax, RTO_LOST
    cmp dword ptr [ebx + CONN_RETRIES], 0
    jne .Llost
    mov eax, RTO_FIRST
    imul ecx, ecx, FIRST_SEGMENTS
.Llost:
    mov [ebx + CONN_CWND], ecx
    mov [ebx + CONN_RTO], eax
    xor eax, eax
    mov [ebx + CONN_RETRIES], eax
    mov [ebx + CONN_TIMER], eax
    ret

; conn_over: a connection is not on the network any more; it is forgotten when its owner has closed it.
;   in    EBX = connection
.global conn_over
conn_over:
    xor eax, eax
    mov [ebx + CONN_ADDRESS], eax
    mov [ebx + CONN_TIMER], eax
    mov [ebx + CONN_ACK_DUE], eax
    mov [ebx + CONN_STATE], eax
    cmp [ebx + CONN_CLOSED], eax
    jne .Lreturn
    mov dword ptr [ebx + CONN_STATE], TCP_ENDED
    jmp conn_wake
.Lreturn:
    ret

; conn_wake: tells the owner of a connection, if it has not closed it.
;   in    EBX = connection
.global conn_wake
conn_wake:
    cmp dword ptr [ebx + CONN_CLOSED], 0
    jne .Lreturn
    mov eax, ebx
    jmp net_wake
.Lreturn:
    ret

; conn_time_wait: both streams have ended, and late segments are caught.
;   in    EBX = connection
.global conn_time_wait
conn_time_wait:
    mov dword ptr [ebx + CONN_STATE], TCP_TIME_WAIT
    mov eax, TIME_WAIT_TIME
    jmp conn_timer

; conn_fin_wait: the peer has to end its stream now.
;   in    EBX = connection
.global conn_fin_wait
conn_fin_wait:
    mov eax, FIN_WAIT_TIME

; conn_timer: something will happen later.
;   in    EBX = connection, EAX = milliseconds
.global conn_timer
conn_timer:
    push eax
    call net_clock
    pop edx
    add eax, edx
    mov [ebx + CONN_DUE], eax
    mov dword ptr [ebx + CONN_TIMER], 1
    ret

; tcp_tick: acknowledges what has waited for company, sends again, gives up; and finds connections_top again.
.global tcp_tick
tcp_tick:
    push ebx
    push esi
    mov ebx, connections
    mov esi, ebx                ; behind the last one in use so far: when the owner of one is woken, it may take others
.Lnext:
    cmp dword ptr [ebx + CONN_STATE], TCP_FREE
    je .Lskip
    lea esi, [ebx + CONN_SIZE]
    cmp dword ptr [ebx + CONN_ACK_DUE], 0
    je .Ltimer
    call tcp_ack
.Ltimer:
    cmp dword ptr [ebx + CONN_TIMER], 0
    je .Lskip
    call net_clock
    sub eax, [ebx + CONN_DUE]
    js .Lskip
    call conn_due
.Lskip:
    add ebx, CONN_SIZE
    cmp ebx, [connections_top]
    jb .Lnext
    mov [connections_top], esi
    pop esi
    pop ebx
    jmp half_tick

; conn_due: a connection's time has come.
;   in    EBX = connection
conn_due:
    mov eax, [ebx + CONN_STATE]
    cmp eax, TCP_TIME_WAIT
    je conn_over
    cmp eax, TCP_FIN_WAIT_2
    je conn_over
    mov edx, TCP_RETRIES
    cmp eax, TCP_SYN_SENT
    jne .Ltries
    mov edx, TCP_HALF_TRIES - 1
.Ltries:
    cmp [ebx + CONN_RETRIES], edx
    je .Lfail
    inc dword ptr [ebx + CONN_RETRIES]
    mov eax, [ebx + CONN_RTO]
    add eax, eax
    cmp eax, RTO_MAX
    jbe .Lset
    mov eax, RTO_MAX
.Lset:
    mov [ebx + CONN_RTO], eax
    cmp dword ptr [ebx + CONN_STATE], TCP_SYN_SENT
    je .Lask
    mov dword ptr [ebx + CONN_PROBE], 1
    call tcp_back
    jmp tcp_output
.Lask:
    COUNT COUNT_TCP_AGAIN
    jmp conn_ask
.Lfail:
    COUNT COUNT_TCP_TIMEOUT
    jmp conn_over

.data

.align 4
connections_top:                ; behind the last connection in use, or further
    .long connections

.bss

.align 4
connections:                    ; CONNs
    .space TCP_CONNECTIONS * CONN_SIZE
connections_end:
rings:                          ; of each: CONN_SEND, CONN_RECEIVE
    .space TCP_CONNECTIONS * 2 * TCP_BUFFER
