; Map and grant: pages go from one space to another with a message.
;
; Owns what a map item means (X.2 manual, "Generic mapping" and "Fpages"). transfer.asm calls map_item for every map and
; grant item of a message, and elsewhere where a page fault is answered.
;
; A flexpage is a naturally aligned range of 2^s bytes. The send base says what to do when the sender's and the
; receiver's differ in size: its low bits are an offset in the larger of the two. Both cases in one formula, with m the
; smaller size less 1, and of each flexpage the base and the size less 1:
;
;     from = send.base   + (send_base & send.mask   & ~m)         what is mapped: m + 1 bytes at `from`,
;     to   = window.base + (send_base & window.mask & ~m)         and where they go

.include "micro.inc"

ITEM_FPAGE = 4                  ; where the flexpage is in an item; in front of it is the send base

.text

; fpage_range: where a flexpage begins, and how long it is.
;   in    EAX = flexpage
;   out   EAX = base, EDX = size less 1; CF set: the nil page, or none: a size out of range, a base between two
.global fpage_range
fpage_range:
    mov ecx, eax
    and ecx, FPAGE_SIZE
    cmp ecx, FPAGE_COMPLETE
    je .Lcomplete
    shr ecx, FPAGE_SHIFT
    neg ecx
    add ecx, 32                 ; 32 - s
    cmp ecx, 32 - PAGE_SHIFT
    ja .Lnone                   ; s > 32 or s < PAGE_SHIFT
    mov edx, -1
    shr edx, cl
.Lbase:
    and eax, FPAGE_BASE
    test eax, edx
    jnz .Lnone
    ret
.Lcomplete:
    mov edx, -1
    jmp .Lbase
.Lnone:
    stc
    ret

; map_item: a map or grant item of a message.
;   in    EAX = sender's KTCB, EDX = receiver's KTCB, ECX = the item's two words, in the kernel's own memory
;         map_window = the receiver's acceptor
;   out   CF set: out of memory; what was mapped until then stays. Otherwise all that there was to map is mapped
.global map_item
map_item:
    push ebx
    push esi
    push edi
    mov eax, [eax + KTCB_SPACE]
    add eax, KERNEL_BASE
    mov [map_from], eax
    mov edx, [edx + KTCB_SPACE]
    add edx, KERNEL_BASE
    mov [map_to], edx
    mov ebx, [ecx]
    mov eax, [ecx + ITEM_FPAGE]

    ; The rights: whoever may do anything with a page may read it.
    test al, FPAGE_RIGHTS
    jz .Ldone
    mov edx, PTE_FRAME | PTE_PCD | PTE_P | PTE_U
    test al, FPAGE_WRITE
    jz .Lrights
    or edx, PTE_W
.Lrights:
    mov [map_rights], edx
    mov edx, ebx
    and edx, ITEM_MAP ^ ITEM_GRANT
    mov [map_grant], edx

    ; From ESI to EDI, at most ECX + 1 bytes.
    call fpage_range
    jc .Ldone
    mov esi, eax
    mov edi, edx
    mov eax, [map_window]
    call fpage_range
    jc .Ldone
    mov ecx, edi
    cmp ecx, edx
    jbe .Lsmaller
    mov ecx, edx
.Lsmaller:
    not ecx
    and ebx, ecx
    not ecx
    and edi, ebx
    add esi, edi
    and edx, ebx
    lea edi, [eax + edx]

    ; Nothing from UTCB_BASE on, on either side.
    mov eax, UTCB_BASE - 1
    sub eax, esi
    jb .Ldone
    cmp ecx, eax
    jbe .Lreceiver
    mov ecx, eax
.Lreceiver:
    mov eax, UTCB_BASE - 1
    sub eax, edi
    jb .Ldone
    cmp ecx, eax
    jbe .Lrange
    mov ecx, eax
.Lrange:
    add ecx, esi
    mov [map_last], ecx
    sub edi, esi                ; from here on EDI is the way from a page to where it goes

    ; The root task has all its memory, mapped yet or not.
    cmp dword ptr [map_from], root_directory
    jne .Lpage
    mov eax, esi
    mov edx, ecx
    call memory_show
    jc .Lreturn

.Lpage:
    mov eax, [map_from]
    mov edx, esi
    mov ecx, [map_last]
    call page_next
    jc .Ldone
    lea esi, [edx + PAGE_SIZE]
    add edx, edi
    call map_page
    jnc .Lpage
    jmp .Lreturn
.Ldone:
    clc
.Lreturn:
    call page_flush
    pop edi
    pop esi
    pop ebx
    ret

; map_page: one page of an item.
;   in    EAX = the sender's page-table entry, EDX = address in the receiver's space
;   out   CF set: out of memory
map_page:
    push ebx
    push esi
    push edi
    mov esi, eax
    mov eax, [map_to]
    call page_slot
    jc .Lreturn
    cmp eax, esi
    je .Ldone                   ; onto itself
    mov ebx, eax
    mov edi, [esi]
    and edi, [map_rights]

    ; The same once more only adds rights.
    cmp dword ptr [map_grant], 0
    jne .Lclear
    mov eax, esi
    call node_of
    mov ecx, eax
    mov eax, ebx
    mov edx, edi
    call node_extend
    jnc .Ldone

    ; What is there now goes. If the sender has the page from there, its own is gone, too.
.Lclear:
    mov eax, ebx
    call node_clear
    cmp dword ptr [esi], 0
    je .Ldone
    mov eax, esi
    call node_of
    cmp dword ptr [map_grant], 0
    jne .Lgrant
    mov ecx, eax
    mov eax, ebx
    mov edx, edi
    call node_add
    jmp .Lreturn
.Lgrant:
    mov edx, ebx
    mov ecx, edi
    call node_move
.Ldone:
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

.bss

.global map_window

.align 4
map_window:                     ; the receiver's acceptor
    .space 4
map_from:                       ; page directory of the sender,
    .space 4
map_to:                         ;   and of the receiver
    .space 4
map_rights:                     ; what an entry of the receiver's may have of the sender's
    .space 4
map_grant:                      ; not 0: the item is a grant
    .space 4
map_last:                       ; the last address that is mapped, as the sender sees it
    .space 4
