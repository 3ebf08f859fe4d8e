; TCP: peers: connections and half open ones, as the segment that has come finds them, and on lists.
;
; Owns the buckets: a peer is in the chain of one as long as it is on the network, so to find it takes as long whether
; there are few or many. A sender who chooses its ports for it can make one chain long, as long as there are connections.

.include "net/tcp.inc"

GOLDEN = 0x9e3779b1             ; 2 to the power of 32, divided by the golden ratio: spreads what is alike (Knuth, vol. 3, 6.4)
BUCKET_SHIFT = 32 - TCP_BUCKET_BITS

; BUCKET: the bucket of a peer.
;   in    EAX = its address, EDX = PEER_PORTS
;   out   ECX = bucket, as a PEER of which PEER_CHAIN is the chain
.macro BUCKET
    lea ecx, [eax + edx]
    imul ecx, ecx, GOLDEN
    shr ecx, BUCKET_SHIFT
    lea ecx, [buckets + ecx * 4 - PEER_CHAIN]
.endm

.text

; peer_find: finds a peer.
;   in    EAX = its address, not 0; EDX = PEER_PORTS
;   out   EBX = PEER; CF set: none. EAX, EDX are kept
.global peer_find
peer_find:
    BUCKET
    mov ebx, [ecx + PEER_CHAIN]
.Lnext:
    cmp ebx, 1
    jb .Lreturn                 ; the chain has ended, and CF is set
    cmp [ebx + PEER_PORTS], edx
    jne .Lother
    cmp [ebx + PEER_ADDRESS], eax
    je .Lreturn                 ; CF is clear
.Lother:
    mov ebx, [ebx + PEER_CHAIN]
    jmp .Lnext
.Lreturn:
    ret

; peer_add: a peer is on the network.
;   in    EBX = PEER, EAX = its address, EDX = PEER_PORTS
.global peer_add
peer_add:
    mov [ebx + PEER_ADDRESS], eax
    mov [ebx + PEER_PORTS], edx
    BUCKET
    mov eax, [ecx + PEER_CHAIN]
    mov [ebx + PEER_CHAIN], eax
    mov [ecx + PEER_CHAIN], ebx
    ret

; peer_remove: a peer is not on the network any more, if it was.
;   in    EBX = PEER
.global peer_remove
peer_remove:
    mov eax, [ebx + PEER_ADDRESS]
    test eax, eax
    jz .Lreturn
    mov edx, [ebx + PEER_PORTS]
    mov dword ptr [ebx + PEER_ADDRESS], 0
    BUCKET
.Lnext:
    mov eax, ecx
    mov ecx, [ecx + PEER_CHAIN]
    cmp ecx, ebx
    jne .Lnext
    mov edx, [ebx + PEER_CHAIN]
    mov [eax + PEER_CHAIN], edx
.Lreturn:
    ret

; list_begin: a list without peers.
;   in    EDX = LIST
;   out   ECX, EDX are kept
.global list_begin
list_begin:
    lea eax, [edx - PEER_AFTER]
    mov [edx + LIST_FIRST], eax
    mov [edx + LIST_LAST], eax
    ret

; list_first: the first peer of a list.
;   in    EDX = LIST
;   out   EBX = PEER; CF set: none, and EBX means nothing. EDX is kept
.global list_first
list_first:
    mov ebx, [edx + LIST_FIRST]
    jmp list_any

; list_last: the last one.
;   in    EDX = LIST
;   out   as list_first
.global list_last
list_last:
    mov ebx, [edx + LIST_LAST]

; list_any: is that a peer of a list, or what stands for the list?
;   in    EBX, EDX = LIST
;   out   CF set: the list. EBX, EDX are kept
list_any:
    lea eax, [edx - PEER_AFTER]
    cmp ebx, eax
    je .Lnone
    clc
    ret
.Lnone:
    stc
    ret

; list_add: a peer that is on no list becomes the last one of one.
;   in    EBX = PEER, EDX = LIST
;   out   EDX is kept
.global list_add
list_add:
    mov eax, [edx + LIST_LAST]
    mov [edx + LIST_LAST], ebx
    mov [eax + PEER_AFTER], ebx
    mov [ebx + PEER_BEFORE], eax
    lea eax, [edx - PEER_AFTER]
    mov [ebx + PEER_AFTER], eax
    ret

; list_move: a peer leaves the list that it is on, and becomes the last one of another, or of the same.
;   in    EBX = PEER, EDX = LIST
;   out   EDX is kept
.global list_move
list_move:
    mov eax, [ebx + PEER_AFTER]
    mov ecx, [ebx + PEER_BEFORE]
    mov [eax + PEER_BEFORE], ecx
    mov [ecx + PEER_AFTER], eax
    jmp list_add

; list_turn: begins a look at all peers of a list: they are on another one then, from which the caller takes the first
; until there is none. So it does not matter what happens to them, and who comes and goes, meanwhile.
;   in    EDX = LIST, ECX = the other one, without peers
.global list_turn
list_turn:
    push ebx
    call list_first
    jc .Lreturn
    lea eax, [ecx - PEER_AFTER]
    mov [ecx + LIST_FIRST], ebx
    mov [ebx + PEER_BEFORE], eax
    mov ebx, [edx + LIST_LAST]
    mov [ecx + LIST_LAST], ebx
    mov [ebx + PEER_AFTER], eax
    call list_begin
.Lreturn:
    pop ebx
    ret

.assert PEER_BEFORE == PEER_AFTER + LIST_LAST && LIST_FIRST == 0, "a LIST is the two of something like a PEER"

.bss

.align 4
buckets:                        ; PEER, or 0
    .space 4 << TCP_BUCKET_BITS
