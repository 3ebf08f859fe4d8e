; TCP: half open connections: SYN has come, SYN and ACK have gone.
;
; Owns these. One is small; buffers come with the end of the handshake. So a flood of SYNs fills a listener's share of
; them, and nothing else. There are never more than could wait to be accepted: whoever is answered finds room at the end of
; the handshake, and need not try again a second later. Each is on the list of those in use, or of the free ones.

.include "net/tcp.inc"

.text

; half_init: all of them are free. Once.
.global half_init
half_init:
    push ebx
    mov edx, halves_used
    call list_begin
    mov edx, halves_turn
    call list_begin
    mov edx, halves_free
    call list_begin
    mov ebx, halves_end         ; the first one is taken first
.Lnext:
    sub ebx, HALF_SIZE
    call list_add
    cmp ebx, halves
    ja .Lnext
    pop ebx
    ret

; half_reset: the peer says that there is no such connection.
;   in    ESI = HALF, or 0
.global half_reset
half_reset:
    test esi, esi
    jz .Lreturn
    mov eax, [seg_seq]
    dec eax
    cmp eax, [esi + HALF_THEIRS]
    je half_free
.Lreturn:
    ret

; half_begin: a connection begins, or we are asked again.
;   in    EBX = LISTENER, ESI = HALF, or 0
.global half_begin
half_begin:
    mov eax, [seg_seq]
    test esi, esi
    jz .Lnew
    cmp eax, [esi + HALF_THEIRS]
    je half_send
    call half_free              ; the peer has begun anew
.Lnew:
    mov eax, [ebx + LISTENER_HALF_COUNT]
    cmp eax, [ebx + LISTENER_HALF_LIMIT]
    jae .Lfull
    add eax, [ebx + LISTENER_COUNT]
    cmp eax, [ebx + LISTENER_LIMIT]
    jae .Lfull
    mov ecx, ebx
    mov edx, halves_free
    call list_last
    mov esi, ebx
    mov ebx, ecx
    jc .Lfull
    inc dword ptr [ebx + LISTENER_HALF_COUNT]
    mov [esi + HALF_OWNER], ebx
    mov dword ptr [esi + HALF_STATE], TCP_SYN_RECEIVED
    push ebx
    mov ebx, esi
    mov edx, halves_used
    call list_move
    mov eax, [seg_address]
    mov edx, [seg_ports]
    call peer_add
    pop ebx
    mov eax, [seg_seq]
    mov [esi + HALF_THEIRS], eax
    mov eax, [seg_mss]
    mov [esi + HALF_MSS], eax
    call tcp_first
    mov [esi + HALF_OURS], eax
    mov dword ptr [esi + HALF_TRIES], 0
    jmp half_ask
.Lfull:
    COUNT COUNT_TCP_SYN
    ret

; half_ask: sends SYN and ACK, and again if there is no answer.
;   in    ESI = HALF
half_ask:
    call net_clock
    mov ecx, [esi + HALF_TRIES]
    inc dword ptr [esi + HALF_TRIES]
    mov edx, RTO_FIRST
    shl edx, cl
    add eax, edx
    mov [esi + HALF_DUE], eax

; half_send: sends SYN and ACK.
;   in    ESI = HALF
half_send:
    mov eax, [esi + HALF_PORTS]
    rol eax, 16
    mov [net_frame + TCP_OUT + TCP_SOURCE], eax
    mov eax, [esi + HALF_OURS]
    bswap eax
    mov [net_frame + TCP_OUT + TCP_SEQUENCE], eax
    mov eax, [esi + HALF_THEIRS]
    inc eax
    bswap eax
    mov [net_frame + TCP_OUT + TCP_ACKNOWLEDGED], eax
    mov byte ptr [net_frame + TCP_OUT + TCP_FLAGS], TCP_SYN | TCP_ACK
    mov eax, [esi + HALF_ADDRESS]
    jmp tcp_emit_syn

; half_end: the handshake ends, and a connection waits to be accepted.
;   in    EBX = LISTENER, ESI = HALF
.global half_end
half_end:
    mov eax, [seg_ack]
    dec eax
    cmp eax, [esi + HALF_OURS]
    jne tcp_refuse
    mov eax, [seg_seq]
    dec eax
    cmp eax, [esi + HALF_THEIRS]
    jne .Lwindow
    mov edi, ebx
    call conn_new
    jc .Lfull
    push dword ptr [esi + HALF_PORTS]
    push dword ptr [esi + HALF_ADDRESS]
    call half_free
    pop eax
    pop edx
    call peer_add
    mov eax, [esi + HALF_TRIES]
    dec eax
    mov [ebx + CONN_RETRIES], eax
    mov eax, [esi + HALF_OURS]
    mov edx, [esi + HALF_THEIRS]
    mov ecx, [esi + HALF_MSS]
    call conn_establish
    mov eax, ebx
    inc dword ptr [edi + LISTENER_COUNT]
    cmp dword ptr [edi + LISTENER_HEAD], 0
    jne .Lbehind
    mov [edi + LISTENER_HEAD], eax
    jmp .Llast
.Lbehind:
    mov edx, [edi + LISTENER_TAIL]
    mov [edx + CONN_LINK], eax
.Llast:
    mov [edi + LISTENER_TAIL], eax
    push edi
    call tcp_segment            ; it may have data
    pop eax
    jmp net_wake
.Lwindow:
    COUNT COUNT_TCP_WINDOW
    ret
.Lfull:
    COUNT COUNT_TCP_ACCEPT
    ret

; half_free: a half open connection is gone.
;   in    ESI = HALF
half_free:
    push ebx
    mov ebx, esi
    mov eax, [ebx + HALF_OWNER]
    dec dword ptr [eax + LISTENER_HALF_COUNT]
    mov dword ptr [ebx + HALF_OWNER], 0
    call peer_remove
    mov edx, halves_free
    call list_move
    pop ebx
    ret

; half_tick: asks half open connections again, and gives them up.
.global half_tick
half_tick:
    push ebx
    push esi
    mov edx, halves_used
    mov ecx, halves_turn
    call list_turn
.Lnext:
    mov edx, halves_turn
    call list_first
    jc .Lreturn
    mov edx, halves_used
    call list_move
    mov esi, ebx
    call net_clock
    sub eax, [esi + HALF_DUE]
    js .Lnext
    cmp dword ptr [esi + HALF_TRIES], TCP_HALF_TRIES
    je .Lfail
    call half_ask
    jmp .Lnext
.Lfail:
    COUNT COUNT_TCP_HALF
    call half_free
    jmp .Lnext
.Lreturn:
    pop esi
    pop ebx
    ret

; half_drop: nobody listens any more to those who knocked.
;   in    EBX = LISTENER
.global half_drop
half_drop:
    push esi
    mov esi, halves
.Lnext:
    cmp [esi + HALF_OWNER], ebx
    jne .Lskip
    call half_free
.Lskip:
    add esi, HALF_SIZE
    cmp esi, halves_end
    jb .Lnext
    pop esi
    ret

.bss

.align 4
halves_free:                    ; LIST: the last one is taken
    .space LIST_SIZE
halves_used:                    ; LIST
    .space LIST_SIZE
halves_turn:                    ; LIST: of these, those that the tick that is under way has not looked at
    .space LIST_SIZE
halves:                         ; HALFs
    .space TCP_HALVES * HALF_SIZE
halves_end:
