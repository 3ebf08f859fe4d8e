; Data segments, as the kernel puts events into them and takes events out.
;
; One side writes and the other reads, so nothing is locked. A program can write whatever it likes wherever it likes in
; both: what stands there is checked, or bounded, whenever it is used.

.include "ecalls.inc"

.text

; segment_put: puts an event into the segment in which the kernel tells.
;   in    EAX = CHANNEL, EDX = entry of SERVICE_TO_USER_SIZE bytes, ECX = slot: DATA_PRIORITY: its priority, DATA_TYPE: its
;         type
;   out   CF set: there was no room: CONTROL_LOST counts it
;
; An event for a slot that holds one takes its place; so it is for DATA_TYPE, where only the latest counts.
.global segment_put
segment_put:
    push ebx
    push esi
    push edi
    push ebp
    mov esi, edx
    mov ebx, [eax + CHANNEL_SERVICE]
    mov edi, [eax + CHANNEL_TO_USER]
    mov edx, [ebx + SERVICE_TO_USER]
    cmp edx, DATA_RING
    je .Lring
    cmp edx, DATA_NEXT
    jne .Lslot
    mov ecx, [ebx + SERVICE_TO_USER_SLOTS]
    mov edx, -1                         ; the first slot that is free
.Lfree:
    inc edx
    cmp edx, ecx
    jae .Lfull
    bt [edi + ECALL_LIST_BIT_PATTERN], edx
    jc .Lfree
    mov ecx, edx
.Lslot:
    cmp ecx, [ebx + SERVICE_TO_USER_SLOTS]
    jae .Lfull
    mov edx, ecx
    imul ecx, [ebx + SERVICE_TO_USER_SIZE]
    lea ebp, [edi + ecx + ECALL_LIST_SIZE]
    call .Lcopy
    bts [edi + ECALL_LIST_BIT_PATTERN], edx
    jc .Lput                            ; it took another's place
    inc dword ptr [edi + ECALL_LIST_FLAG]
    jmp .Lput

.Lring:
    mov ecx, [ebx + SERVICE_TO_USER_SLOTS]
    cmp [edi + ECALL_RING_FLAG], ecx
    jae .Lring_full
    inc dword ptr [edi + ECALL_RING_FLAG]
.Lring_put:
    mov edx, [edi + ECALL_RING_BACK]
    call .Lbounded
    mov eax, edx
    imul eax, [ebx + SERVICE_TO_USER_SIZE]
    lea ebp, [edi + eax + ECALL_RING_SIZE]
    call .Lcopy
    inc edx
    call .Lbounded
    mov [edi + ECALL_RING_BACK], edx
.Lput:
    clc
    jmp .Lreturn
.Lring_full:
    cmp dword ptr [edi + SEGMENT_CONTROL + CONTROL_OVERFLOW], OVERFLOW_OLDEST
    jne .Lfull
    inc dword ptr [edi + SEGMENT_CONTROL + CONTROL_LOST]
    mov edx, [edi + ECALL_RING_FRONT]
    inc edx
    call .Lbounded
    mov [edi + ECALL_RING_FRONT], edx   ; a reader that is at it notices
    jmp .Lring_put
.Lfull:
    inc dword ptr [edi + SEGMENT_CONTROL + CONTROL_LOST]
    stc
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; In: EDX = slot, or one behind the last, or anything; ECX = slots. Out: EDX below ECX.
.Lbounded:
    cmp edx, ecx
    jb .Lbounded_end
    xor edx, edx
.Lbounded_end:
    ret

; In: ESI = entry, EBP = where to; EBX = SERVICE. ECX, EDX are kept.
.Lcopy:
    push ecx
    push edi
    mov edi, ebp
    mov ecx, [ebx + SERVICE_TO_USER_SIZE]
    shr ecx, 2
    rep movsd
    pop edi
    pop ecx
    ret

; segment_take: takes an event out of the segment in which a program tells.
;   in    EAX = CHANNEL
;   out   EAX = its entry, in the window; EDX = its slot; CF set: there is none
;
; DATA_PRIORITY: that of the lowest slot. The entry stays where it is until the program goes on.
.global segment_take
segment_take:
    push ebx
    push edi
    mov ebx, [eax + CHANNEL_SERVICE]
    mov edi, [eax + CHANNEL_TO_KERNEL]
    cmp dword ptr [edi + ECALL_LIST_FLAG], 0
    je .Lnothing
    mov ecx, [ebx + SERVICE_TO_KERNEL_SLOTS]
    cmp dword ptr [ebx + SERVICE_TO_KERNEL], DATA_RING
    je .Ltake_ring
    xor edx, edx
.Lword:                                     ; by words: a slot beyond the last is nobody's
    mov eax, [edi + ECALL_LIST_BIT_PATTERN + edx * 4]
    test eax, eax
    jnz .Lfound
    inc edx
    cmp edx, ECALL_SLOTS / 32
    jb .Lword
.Lnone:
    mov dword ptr [edi + ECALL_LIST_FLAG], 0
.Lnothing:
    stc
    pop edi
    pop ebx
    ret
.Lfound:
    bsf eax, eax
    shl edx, 5
    add edx, eax
    btr [edi + ECALL_LIST_BIT_PATTERN], edx
    cmp edx, ecx
    jae .Lnone
    mov eax, edx
    imul eax, [ebx + SERVICE_TO_KERNEL_SIZE]
    lea eax, [edi + eax + ECALL_LIST_SIZE]
    jmp .Ltaken
.Ltake_ring:
    mov edx, [edi + ECALL_RING_FRONT]
    cmp edx, ecx
    jb .Lfront
    xor edx, edx
.Lfront:
    mov eax, edx
    inc eax
    cmp eax, ecx
    jb .Lnext
    xor eax, eax
.Lnext:
    mov [edi + ECALL_RING_FRONT], eax
    mov eax, edx
    imul eax, [ebx + SERVICE_TO_KERNEL_SIZE]
    lea eax, [edi + eax + ECALL_RING_SIZE]
.Ltaken:
    dec dword ptr [edi + ECALL_LIST_FLAG]
    clc
    pop edi
    pop ebx
    ret

.assert ECALL_LIST_FLAG == 0 && ECALL_RING_FLAG == 0, "flag is the first entry, however a segment is organized"
