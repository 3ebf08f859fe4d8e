; TCP: connections, from their beginning to their end.
;
; Owns the connections and their rings.

.include "net/tcp.inc"

FIRST_SEGMENTS = 3              ; that may be on their way at the start (RFC 5681)

.text

; conn_find: finds a connection.
;   in    EAX = the peer's address, not 0; EDX = CONN_PORTS
;   out   EBX = connection; CF set: none
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
    cmp ebx, connections_end
    jb .Lnext
    stc
.Lreturn:
    ret

; conn_new: a place for a connection: a free one, or that of the one that has caught late segments for longest.
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
    jne .Lskip
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
    lea eax, [ebx - connections]
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
;   in    EBX = connection, new; ESI = HALF
.global conn_establish
conn_establish:
    mov dword ptr [ebx + CONN_STATE], TCP_ESTABLISHED
    mov eax, [esi + HALF_ADDRESS]
    mov [ebx + CONN_ADDRESS], eax
    mov eax, [esi + HALF_PORTS]
    mov [ebx + CONN_PORTS], eax
    mov eax, [esi + HALF_OURS]
    inc eax
    mov [ebx + CONN_UNA], eax
    mov [ebx + CONN_NXT], eax
    mov [ebx + CONN_MAX], eax
    mov [ebx + CONN_END], eax
    mov [ebx + CONN_RECOVER], eax
    mov [ebx + CONN_WINDOW_ACK], eax
    mov eax, [esi + HALF_THEIRS]
    mov [ebx + CONN_WINDOW_SEQ], eax    ; before that of the segment that comes now
    inc eax
    mov [ebx + CONN_GOT], eax
    mov [ebx + CONN_READ], eax
    add eax, TCP_BUFFER
    mov [ebx + CONN_EDGE], eax
    mov dword ptr [ebx + CONN_SSTHRESH], 0xffff
    mov eax, [esi + HALF_MSS]
    mov [ebx + CONN_MSS], eax
    mov ecx, RTO_LOST
    cmp dword ptr [esi + HALF_TRIES], 1
    ja .Llost
    mov ecx, RTO_FIRST
    imul eax, eax, FIRST_SEGMENTS
.Llost:
    mov [ebx + CONN_CWND], eax
    mov [ebx + CONN_RTO], ecx
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

; tcp_tick: acknowledges what has waited for company, sends again, gives up.
.global tcp_tick
tcp_tick:
    push ebx
    mov ebx, connections
.Lnext:
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
    cmp ebx, connections_end
    jb .Lnext
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
    cmp dword ptr [ebx + CONN_RETRIES], TCP_RETRIES
    je .Lfail
    inc dword ptr [ebx + CONN_RETRIES]
    mov eax, [ebx + CONN_RTO]
    add eax, eax
    cmp eax, RTO_MAX
    jbe .Lset
    mov eax, RTO_MAX
.Lset:
    mov [ebx + CONN_RTO], eax
    mov dword ptr [ebx + CONN_PROBE], 1
    call tcp_back
    jmp tcp_output
.Lfail:
    COUNT COUNT_TCP_TIMEOUT
    jmp conn_over

.bss

.align 4
connections:                    ; CONNs
    .space TCP_CONNECTIONS * CONN_SIZE
connections_end:
rings:                          ; of each: CONN_SEND, CONN_RECEIVE
    .space TCP_CONNECTIONS * 2 * TCP_BUFFER
