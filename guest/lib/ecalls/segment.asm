; Data segments of ECalls, as a program puts events into them and takes events out.
;
; What a segment looks like is the service's affair: the program keeps a SHAPE of each. The kernel may read or write a segment
; between any two instructions here; each routine leaves it in an order in which that does no harm.

WORD_BYTES = 4

; COPY_ENTRY to, from, by: copies an entry, from its last word on. EBX = SHAPE; ECX and the register `by` are destroyed. Most
; entries are short, and REP MOVSD takes long to begin. The branch that ends it goes forward: a processor that has not seen a
; branch, or has never seen it taken, expects that of a loop to go back.
.macro COPY_ENTRY to, from, by
    mov ecx, [ebx + SHAPE_BYTES]
.Lcopy_\@:
    mov \by, [\from + ecx - WORD_BYTES]
    mov [\to + ecx - WORD_BYTES], \by
    sub ecx, WORD_BYTES
    jz .Lcopied_\@
    jmp .Lcopy_\@
.Lcopied_\@:
.endm

.text

; ecall_defer: a Deferred User-ECall: an event that the service hears later. This does not enter the kernel.
;   in    EAX = segment in which the program tells, EDX = entry, ECX = SHAPE, with SHAPE_WHEN and SHAPE_DELAY
;   out   CF set: there is no room
.global ecall_defer
ecall_defer:
    push eax
    push ecx
    call ecall_put
    pop ecx
    pop eax
    jc .Lreturn
    mov edx, [ecx + SHAPE_DELAY]
    mov ecx, [ecx + SHAPE_WHEN]
    mov [eax + SEGMENT_CONTROL + CONTROL_DELAY], edx
    or [eax + SEGMENT_CONTROL + CONTROL_WHEN], ecx      ; clears CF
.Lreturn:
    ret

; ecall_put: puts an event into a segment.
;   in    EAX = segment, EDX = entry, ECX = SHAPE, with SHAPE_SLOT if its organization has slots
;   out   CF set: there is no room
.global ecall_put
ecall_put:
    push ebx
    push esi
    push edi
    mov ebx, ecx
    mov edi, eax
    mov esi, edx
    mov ecx, [ebx + SHAPE_ORGANIZATION]
    cmp ecx, DATA_RING
    jne .Llist

    ; The entry first, then that it is there.
    mov ecx, [edi + ECALL_RING_FLAG]
    cmp ecx, [ebx + SHAPE_SLOTS]
    jae .Lfull
    mov edx, [edi + ECALL_RING_BACK]
    mov eax, edx
    imul eax, [ebx + SHAPE_BYTES]
    lea eax, [edi + eax + ECALL_RING_SIZE]
    push edi
    COPY_ENTRY eax, esi, edi
    pop edi
    inc edx
    cmp edx, [ebx + SHAPE_SLOTS]
    jb .Lback
    xor edx, edx
.Lback:
    mov [edi + ECALL_RING_BACK], edx
    inc dword ptr [edi + ECALL_RING_FLAG]
    jmp .Lput

.Llist:
    mov edx, [ebx + SHAPE_SLOT]
    cmp ecx, DATA_NEXT
    jne .Lslot
    xor edx, edx
.Lfree:
    cmp edx, [ebx + SHAPE_SLOTS]
    jae .Lfull
    bt [edi + ECALL_LIST_BIT_PATTERN], edx
    inc edx
    jc .Lfree
    dec edx
.Lslot:
    mov eax, edx
    imul eax, [ebx + SHAPE_BYTES]
    lea eax, [edi + eax + ECALL_LIST_SIZE]
    push edi
    COPY_ENTRY eax, esi, edi
    pop edi
    bts [edi + ECALL_LIST_BIT_PATTERN], edx
    jc .Lput                            ; it took another's place
    inc dword ptr [edi + ECALL_LIST_FLAG]
.Lput:
    clc
    jmp .Lreturn
.Lfull:
    inc dword ptr [edi + SEGMENT_CONTROL + CONTROL_LOST]
    stc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; ecall_take: takes an event out of a segment: of a ring the one that has waited longest, else that of the lowest slot.
;   in    EAX = segment, EDX = room for the entry, ECX = SHAPE
;   out   SHAPE_SLOT = its slot; CF set: there is none
;
; The kernel may drop the entry that is being copied from a full ring (OVERFLOW_OLDEST): it moves FRONT, and then the next
; one is taken. Where the slot is a priority or type, it may write over an entry: then that is copied again.
.global ecall_take
ecall_take:
    push ebx
    push esi
    push edi
    mov ebx, ecx
    mov edi, edx
    mov esi, eax
.Lagain:
    cmp dword ptr [esi + ECALL_LIST_FLAG], 0
    je .Lnone
    cmp dword ptr [ebx + SHAPE_ORGANIZATION], DATA_RING
    jne .Lword
    mov edx, [esi + ECALL_RING_FRONT]
    mov eax, edx
    imul eax, [ebx + SHAPE_BYTES]
    lea eax, [esi + eax + ECALL_RING_SIZE]
    push edx
    COPY_ENTRY edi, eax, edx
    pop edx
    mov eax, edx
    inc edx
    cmp edx, [ebx + SHAPE_SLOTS]
    jb .Lfront
    xor edx, edx
.Lfront:
    cmpxchg [esi + ECALL_RING_FRONT], edx
    jne .Lagain
    mov [ebx + SHAPE_SLOT], eax
    jmp .Ltaken

.Lword:
    mov edx, -WORD_BYTES
.Lnext:
    add edx, WORD_BYTES
    cmp edx, ECALL_SLOTS / 8
    jae .Lnone
    bsf eax, [esi + edx + ECALL_LIST_BIT_PATTERN]
    jz .Lnext
    lea edx, [eax + edx * 8]
    mov [ebx + SHAPE_SLOT], edx
    mov eax, edx
    imul eax, [ebx + SHAPE_BYTES]
    lea eax, [esi + eax + ECALL_LIST_SIZE]
    cmp dword ptr [ebx + SHAPE_ORGANIZATION], DATA_NEXT
    jne .Llatest
    push edx                            ; as long as its bit is set, nothing new comes into the slot
    COPY_ENTRY edi, eax, edx
    pop edx
    btr [esi + ECALL_LIST_BIT_PATTERN], edx
    jmp .Ltaken
.Llatest:
    btr [esi + ECALL_LIST_BIT_PATTERN], edx
    push edx
    COPY_ENTRY edi, eax, edx
    pop edx
    bt [esi + ECALL_LIST_BIT_PATTERN], edx
    jnc .Ltaken
    dec dword ptr [esi + ECALL_LIST_FLAG]       ; meanwhile a later one has taken its place
    jmp .Llatest
.Ltaken:
    dec dword ptr [esi + ECALL_LIST_FLAG]
    clc
    jmp .Lreturn
.Lnone:
    stc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret
