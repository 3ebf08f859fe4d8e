; TCP: what an acknowledgement means for what we have sent: room, time, and how much may be on its way.
;
; Slow start and congestion avoidance are RFC 5681's. After a loss, CONN_NXT goes back to CONN_UNA, and everything from
; there is sent again as far as acknowledgements do not say that it has come.

.include "net/tcp.inc"

.text

; tcp_acknowledged: takes the acknowledgement of a segment.
;   in    EBX = connection, EBP = 1: it has, or had, data or FIN; else 0
;   out   EBP = -1: wake its owner; CF set: nothing remains to be done with the segment. EDI is kept
.global tcp_acknowledged
tcp_acknowledged:
    mov eax, [seg_ack]
    mov edx, [ebx + CONN_MAX]
    sub edx, eax
    js .Lnever
    sub eax, [ebx + CONN_UNA]
    js .Lgood                   ; an old one
    jz .Lsame
    mov ebp, -1
    call tcp_progress
    mov eax, [ebx + CONN_UNA]   ; does the peer know of the end of our stream?
    sub eax, [ebx + CONN_END]
    jle tcp_window
    mov eax, [ebx + CONN_STATE]
    cmp eax, TCP_LAST_ACK
    je .Lover
    cmp eax, TCP_CLOSING
    je .Lwait
    cmp eax, TCP_FIN_WAIT_1
    jne tcp_window
    mov dword ptr [ebx + CONN_STATE], TCP_FIN_WAIT_2
    cmp dword ptr [ebx + CONN_CLOSED], 0
    je tcp_window
    call conn_fin_wait
    jmp tcp_window
.Lsame:
    test ebp, ebp
    jnz tcp_window
    mov eax, [ebx + CONN_UNA]
    cmp eax, [ebx + CONN_MAX]
    je tcp_window
    mov eax, [seg_window]
    test eax, eax
    jz tcp_window               ; an answer to a probe
    cmp eax, [ebx + CONN_WINDOW]
    jne tcp_window
    inc dword ptr [ebx + CONN_DUPLICATES]
    cmp dword ptr [ebx + CONN_DUPLICATES], TCP_DUPLICATES
    jne tcp_window
    mov eax, [ebx + CONN_UNA]
    sub eax, [ebx + CONN_RECOVER]
    js tcp_window
    call tcp_back
    jmp tcp_window
.Lnever:
    COUNT COUNT_TCP_WINDOW
    call tcp_ack
    stc
    ret
.Lover:
    call conn_over
    stc
    ret
.Lwait:
    call conn_time_wait
    call conn_wake
    stc
    ret
.Lgood:
    clc
    ret

; tcp_window: the peer says what it has room for.
;   in    EBX = connection
;   out   CF clear; EDI, EBP are kept
tcp_window:
    mov eax, [seg_seq]
    mov ecx, [seg_ack]
    mov edx, eax
    sub edx, [ebx + CONN_WINDOW_SEQ]
    js .Lreturn
    jnz .Lnew
    mov edx, ecx
    sub edx, [ebx + CONN_WINDOW_ACK]
    js .Lreturn
.Lnew:
    mov [ebx + CONN_WINDOW_SEQ], eax
    mov [ebx + CONN_WINDOW_ACK], ecx
    mov eax, [seg_window]
    mov edx, [ebx + CONN_WINDOW]
    mov [ebx + CONN_WINDOW], eax
    test eax, eax
    jz .Lclosed
    test edx, edx
    jnz .Lreturn
    cmp dword ptr [ebx + CONN_STATE], TCP_FIN_WAIT_2
    je .Lreturn
    mov [ebx + CONN_TIMER], edx         ; it was the next probe's
    jmp .Lreturn
.Lclosed:
    mov [ebx + CONN_RETRIES], eax       ; a peer without room that answers is alive,
    mov eax, [ebx + CONN_UNA]
    mov [ebx + CONN_NXT], eax           ;   and has dropped what was on its way
.Lreturn:
    clc
    ret

; tcp_progress: bytes have been acknowledged that had not been before.
;   in    EBX = connection, EAX = bytes
tcp_progress:
    push esi
    mov esi, eax
    xor eax, eax
    mov [ebx + CONN_DUPLICATES], eax
    mov [ebx + CONN_RETRIES], eax
    mov [ebx + CONN_TIMER], eax
    cmp [ebx + CONN_TIMED], eax
    je .Lrto
    mov eax, [seg_ack]
    sub eax, [ebx + CONN_TIMED_SEQ]
    jle .Lrto
    call tcp_measured
.Lrto:
    call tcp_rto
    mov ecx, [ebx + CONN_MSS]
    mov eax, [ebx + CONN_CWND]
    cmp eax, [ebx + CONN_SSTHRESH]
    jb .Lslow
    mov eax, ecx                ; a segment in a round trip
    mul ecx
    div dword ptr [ebx + CONN_CWND]
    inc eax
    jmp .Lgrow
.Lslow:
    mov eax, esi
    cmp eax, ecx
    jbe .Lgrow
    mov eax, ecx
.Lgrow:
    add eax, [ebx + CONN_CWND]
    cmp eax, 0xffff
    ja .Lenough
    mov [ebx + CONN_CWND], eax
.Lenough:
    mov eax, [seg_ack]
    mov [ebx + CONN_UNA], eax
    mov edx, eax
    sub edx, [ebx + CONN_NXT]
    jle .Lrecover
    mov [ebx + CONN_NXT], eax
.Lrecover:
    mov edx, eax
    sub edx, [ebx + CONN_RECOVER]
    jle .Lreturn
    mov [ebx + CONN_RECOVER], eax       ; so that it never is far behind
.Lreturn:
    pop esi
    ret

; tcp_measured: a round trip has been measured (RFC 6298).
;   in    EBX = connection
tcp_measured:
    mov dword ptr [ebx + CONN_TIMED], 0
    call net_clock
    sub eax, [ebx + CONN_TIMED_AT]
    jnz .Lsome
    inc eax                     ; the clock is no finer
.Lsome:
    mov ecx, [ebx + CONN_SRTT]
    test ecx, ecx
    jz .Lfirst
    mov edx, ecx
    shr edx, 3
    sub eax, edx
    add ecx, eax                ; srtt += (r - srtt) / 8
    jg .Lpositive
    mov ecx, 1
.Lpositive:
    cdq
    xor eax, edx
    sub eax, edx                ; |r - srtt|
    mov edx, [ebx + CONN_RTTVAR]
    shr edx, 2
    sub eax, edx
    add eax, [ebx + CONN_RTTVAR]        ; rttvar += (|r - srtt| - rttvar) / 4
    jmp .Lset
.Lfirst:
    lea ecx, [eax * 8]
    add eax, eax
.Lset:
    mov [ebx + CONN_SRTT], ecx
    mov [ebx + CONN_RTTVAR], eax
    ret

; tcp_rto: how long an answer may take, by what has been measured. RFC 6298 lets a longer time stand until it measures
; again; if much is lost, that may never be.
;   in    EBX = connection
tcp_rto:
    mov eax, [ebx + CONN_SRTT]
    test eax, eax
    jz .Lreturn                 ; nothing has
    shr eax, 3
    add eax, [ebx + CONN_RTTVAR]
    cmp eax, RTO_MIN
    jae .Lleast
    mov eax, RTO_MIN
.Lleast:
    cmp eax, RTO_MAX
    jbe .Lmost
    mov eax, RTO_MAX
.Lmost:
    mov [ebx + CONN_RTO], eax
.Lreturn:
    ret

; tcp_back: something has been lost: back to the first byte that is not acknowledged, at a slower pace.
;   in    EBX = connection
.global tcp_back
tcp_back:
    COUNT COUNT_TCP_AGAIN
    xor eax, eax
    mov [ebx + CONN_TIMED], eax         ; nobody could tell which one is acknowledged (Karn)
    mov [ebx + CONN_TIMER], eax
    mov [ebx + CONN_DUPLICATES], eax
    mov ecx, [ebx + CONN_MAX]
    mov [ebx + CONN_RECOVER], ecx
    mov eax, [ebx + CONN_UNA]
    mov [ebx + CONN_NXT], eax
    sub ecx, eax
    shr ecx, 1                  ; half of what was on its way
    mov edx, [ebx + CONN_MSS]
    mov [ebx + CONN_CWND], edx
    add edx, edx
    cmp ecx, edx
    jae .Lset
    mov ecx, edx
.Lset:
    mov [ebx + CONN_SSTHRESH], ecx
    ret
