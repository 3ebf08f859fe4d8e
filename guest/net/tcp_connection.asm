; TCP: connections, from their beginning to their end.
;
; Owns the connections and their rings. Each connection is on one list: that of the free ones, from which the one that was
; in use last is taken; of those that are in use; and two of those that are in use by nobody, since their owner has closed
; them and the peer knows. All of such a list wait equally long, so only the first one's time has to be looked at, and it
; is the one that is taken when no other is free.

.include "net/tcp.inc"

FIRST_SEGMENTS = 3              ; that may be on their way at the start (RFC 5681)

.text

; conn_init: all connections are free. Once.
.global conn_init
conn_init:
    push ebx
    mov edx, conns_used
    call list_begin
    mov edx, conns_turn
    call list_begin
    mov edx, conns_late
    call list_begin
    mov edx, conns_open
    call list_begin
    mov edx, conns_free
    call list_begin
    mov ebx, connections_end    ; the first one is taken first
    mov ecx, rings_end
.Lnext:
    sub ebx, CONN_SIZE
    sub ecx, TCP_BUFFER
    mov [ebx + CONN_RECEIVE], ecx
    sub ecx, TCP_BUFFER
    mov [ebx + CONN_SEND], ecx
    call list_add
    cmp ebx, connections
    ja .Lnext
    pop ebx
    ret

; conn_new: a place for a connection: a free one, or that of one that only catches late segments, or else of one whose peer
; still has to end its stream.
;   out   EBX = connection, all zero but its rings; CF set: none
.global conn_new
conn_new:
    mov edx, conns_free
    call list_last
    jnc .Lclear
    mov edx, conns_late
    call list_first
    jnc .Lover
    mov edx, conns_open
    call list_first
    jc .Lreturn
.Lover:
    call conn_over
.Lclear:
    push edi
    xor eax, eax
    mov [ebx + CONN_OWNER], eax
    lea edi, [ebx + CONN_LINK]
    mov ecx, (CONN_SIZE - CONN_LINK) / 4
    rep stosd
    pop edi
    mov edx, conns_used
    call list_move
    clc
.Lreturn:
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
    call peer_remove
    xor eax, eax
    mov [ebx + CONN_TIMER], eax
    mov [ebx + CONN_ACK_DUE], eax
    mov [ebx + CONN_STATE], eax
    mov edx, conns_free
    cmp [ebx + CONN_CLOSED], eax
    jne list_move
    mov dword ptr [ebx + CONN_STATE], TCP_ENDED

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
    mov edx, conns_late
    jmp conn_left

; conn_fin_wait: the peer has to end its stream now.
;   in    EBX = connection that its owner has closed
.global conn_fin_wait
conn_fin_wait:
    mov eax, FIN_WAIT_TIME
    mov edx, conns_open

; conn_left: a connection will end at a time. If its owner has closed it, nobody uses it any more.
;   in    EBX = connection, EAX = milliseconds, EDX = LIST for that case
conn_left:
    push edx
    call conn_timer
    pop edx
    cmp dword ptr [ebx + CONN_CLOSED], 0
    jne list_move
    ret

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

; tcp_tick: acknowledges what has waited for company, sends again, gives up, forgets.
.global tcp_tick
tcp_tick:
    push ebx
    mov edx, conns_used
    mov ecx, conns_turn
    call list_turn
.Lnext:
    mov edx, conns_turn
    call list_first
    jc .Lleft
    mov edx, conns_used
    call list_move
    cmp dword ptr [ebx + CONN_ACK_DUE], 0
    je .Ltimer
    call tcp_ack
.Ltimer:
    cmp dword ptr [ebx + CONN_TIMER], 0
    je .Lnext
    call net_clock
    sub eax, [ebx + CONN_DUE]
    js .Lnext
    call conn_due
    jmp .Lnext
.Lleft:
    mov edx, conns_late
    call conn_forget
    mov edx, conns_open
    call conn_forget
    pop ebx
    jmp half_tick

; conn_forget: ends those connections that nobody uses whose time has come.
;   in    EDX = their LIST
;   out   EBX is destroyed
conn_forget:
    push edx
.Lnext:
    mov edx, [esp]
    call list_first
    jc .Lreturn
    call net_clock
    sub eax, [ebx + CONN_DUE]
    js .Lreturn
    call conn_over
    jmp .Lnext
.Lreturn:
    pop edx
    ret

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

.bss

.align 4
conns_free:                     ; LIST: TCP_FREE, the last one is taken
    .space LIST_SIZE
conns_used:                     ; LIST: of owners, or waiting for one, or for the end of our stream
    .space LIST_SIZE
conns_turn:                     ; LIST: of these, those that the tick that is under way has not looked at
    .space LIST_SIZE
conns_late:                     ; LIST: TCP_TIME_WAIT that nobody uses
    .space LIST_SIZE
conns_open:                     ; LIST: TCP_FIN_WAIT_2 that nobody uses
    .space LIST_SIZE
connections:                    ; CONNs
    .space TCP_CONNECTIONS * CONN_SIZE
connections_end:
rings:                          ; of each: CONN_SEND, CONN_RECEIVE
    .space TCP_CONNECTIONS * 2 * TCP_BUFFER
rings_end:
