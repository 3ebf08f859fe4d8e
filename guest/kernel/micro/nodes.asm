; The mapping database: who has which page from whom.
;
; Owns the nodes, one for each page that is mapped below UTCB_BASE in any space, and changes the entries that they stand
; for. memory.asm, space.asm, map.asm and unmap.asm call.
;
; The mappings of a frame are trees. Their roots are the root task's pages, which come from the kernel; a page that is
; mapped on, in whatever space, is a child of the page that it was mapped from. A tree is a list in preorder, in which
; every node knows its parent:
;
;     A              next  A -> B -> C -> D -> E -> 0      (prev the other way)
;     |-- B
;     |   |-- C      parent of B and E is A, of C and D is B, of A 0
;     |   `-- D
;     `-- E          the children of a node stand right behind it, the one that came last first
;
; A node is found from its entry by the shadow of the page table (pages.asm), and the entry from the node.
; Always true, and checked by the tests of these files:
;   - every entry that is present has one node, whose NODE_PTE is the entry; its shadow word is the node
;   - a parent's list is its child's list; the parent maps the same frame, and may do all that the child may
;   - the shadow word of an entry that is 0 is 0
;   - what is new in an entry (page_harvest) is new for all its ancestors, too, and becomes so when it is harvested

.include "micro.inc"

NODE_NEXT = 0                   ; next in the list, or 0; in a free node the next free one
NODE_PREV = 4                   ; the one before it, or 0
NODE_PARENT = 8                 ; whom the page comes from, or 0
NODE_PTE = 12                   ; address of the page-table entry in the window
NODE_SIZE = 16

KEEP_NOTHING = 0                ; masks for entries: what is left of their rights

.text

; node_alloc: a node from the free list, or the first of a new frame of nodes.
;   out   EAX = node; CF set: out of memory
node_alloc:
    mov eax, [nodes_list]
    test eax, eax
    jnz .Ltake
    call frame_alloc
    jc .Lreturn
    mov edx, eax
    lea ecx, [eax + PAGE_SIZE - NODE_SIZE]
.Lthread:
    add edx, NODE_SIZE
    mov [edx - NODE_SIZE + NODE_NEXT], edx
    cmp edx, ecx
    jb .Lthread
.Ltake:
    mov edx, [eax + NODE_NEXT]
    mov [nodes_list], edx
    clc
.Lreturn:
    ret

; node_of: the mapping that an entry is.
;   in    EAX = page-table entry, present
;   out   EAX = node
.global node_of
node_of:
    call page_shadow
    mov eax, [eax]
    ret

; node_add: maps a page.
;   in    EAX = page-table entry, 0, EDX = what it becomes, ECX = node of the page that it comes from, or 0
;   out   CF set: out of memory, nothing has changed
.global node_add
node_add:
    push ebx
    push esi
    push edi
    mov ebx, ecx
    mov esi, eax
    mov edi, edx
    call node_alloc
    jc .Lreturn

    ; Right behind its parent.
    mov [eax + NODE_PTE], esi
    mov [eax + NODE_PARENT], ebx
    mov [eax + NODE_PREV], ebx
    xor ecx, ecx
    test ebx, ebx
    jz .Lnext
    mov ecx, [ebx + NODE_NEXT]
    mov [ebx + NODE_NEXT], eax
    jecxz .Lnext
    mov [ecx + NODE_PREV], eax
.Lnext:
    mov [eax + NODE_NEXT], ecx

    mov [esi], edi
    mov ebx, eax
    mov eax, esi
    call page_shadow
    mov [eax], ebx
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; node_extend: adds rights to a page that is already mapped from there.
;   in    EAX = page-table entry, EDX = what it would become, ECX = node of the page that it would come from, or 0
;   out   CF set: nothing has changed: it is not present, or another frame, or comes from elsewhere
;
; Nothing to flush: what the TLB holds allows less, and the fault that asks for more drops it (volume 3A, 4.10.4.1).
.global node_extend
node_extend:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov edi, ecx
    mov eax, [ebx]
    xor eax, edx
    test eax, PTE_FRAME
    jnz .Lno                    ; another frame, or none: programs have no page of frame 0
    mov eax, ebx
    call node_of
    cmp [eax + NODE_PARENT], edi
    jne .Lno
    or [ebx], esi
    jmp .Lreturn
.Lno:
    stc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; node_move: a page goes to another place, with all that is mapped from it.
;   in    EAX = node, EDX = page-table entry, 0, ECX = what it becomes: the same frame, at most the same rights
.global node_move
node_move:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov edi, ecx

    ; No more rights below than are left above; and the new owner is not told what was before.
    mov edx, ecx
    or edx, ~PTE_W              ; -1 if it may be written, else the mask that takes this away
    call node_revoke
    mov eax, ebx
    call node_note

    mov eax, [ebx + NODE_PTE]
    mov dword ptr [eax], 0
    call page_shadow
    mov dword ptr [eax], 0
    mov [ebx + NODE_PTE], esi
    mov [esi], edi
    mov eax, esi
    call page_shadow
    mov [eax], ebx
    pop edi
    pop esi
    pop ebx
    ret

; node_clear: takes a page away, and all that is mapped from it.
;   in    EAX = page-table entry; nothing happens if it is 0
.global node_clear
node_clear:
    cmp dword ptr [eax], 0
    je .Lreturn
    push ebx
    call node_of
    mov ebx, eax
    mov edx, KEEP_NOTHING
    call node_revoke
    mov eax, ebx
    mov edx, KEEP_NOTHING
    call node_take
    pop ebx
.Lreturn:
    ret

; node_revoke: takes rights from everything that is mapped from a page, itself excepted.
;   in    EAX = node, EDX = mask for the entries: KEEP_NOTHING, ~PTE_W, or -1 to do no more than harvest
;
; Children before their parents, since node_take hands on to the parent. So a node is taken when the walk leaves it:
;
;     ESI = where we are        down to the first child, while there is one;
;     EBX = next in the list    else leave ESI and go up, until EBX is a child of it
.global node_revoke
node_revoke:
    push ebx
    push esi
    push edi
    push edx
    mov edi, eax
    mov esi, eax
.Ldown:
    mov ebx, [esi + NODE_NEXT]
.Lnext:
    test ebx, ebx
    jz .Lup
    cmp [ebx + NODE_PARENT], esi
    jne .Lup
    mov esi, ebx
    jmp .Ldown
.Lup:
    cmp esi, edi
    je .Lreturn
    mov eax, esi
    mov esi, [esi + NODE_PARENT]
    mov edx, [esp]
    call node_take
    jmp .Lnext
.Lreturn:
    pop edx
    pop edi
    pop esi
    pop ebx
    ret

; node_note: harvests a mapping, and makes what was found new for its parent.
;   in    EAX = node
.global node_note
node_note:
    push eax
    mov eax, [eax + NODE_PTE]
    call page_harvest
    pop edx
    mov edx, [edx + NODE_PARENT]
    test edx, edx
    jz .Lreturn
    mov edx, [edx + NODE_PTE]
    or [edx], eax
.Lreturn:
    ret

; node_take: harvests a mapping, and takes rights from it.
;   in    EAX = node without children if it is to go, EDX = mask for its entry
node_take:
    push eax
    push edx
    call node_note
    pop edx
    pop eax

; node_cut: takes rights from a mapping that has been harvested.
;   in    EAX = node without children if it is to go, EDX = mask for its entry: KEEP_NOTHING and the node goes, too
.global node_cut
node_cut:
    mov ecx, [eax + NODE_PTE]
    and [ecx], edx
    jnz .Lreturn

    ; Out of the shadow, out of the list, and to the free ones.
    push ebx
    mov ebx, eax
    mov eax, ecx
    call page_shadow
    mov dword ptr [eax], 0
    mov edx, [ebx + NODE_PREV]
    mov ecx, [ebx + NODE_NEXT]
    test edx, edx
    jz .Lfirst
    mov [edx + NODE_NEXT], ecx
.Lfirst:
    jecxz .Llast
    mov [ecx + NODE_PREV], edx
.Llast:
    mov eax, [nodes_list]
    mov [ebx + NODE_NEXT], eax
    mov [nodes_list], ebx
    pop ebx
.Lreturn:
    ret

.bss

.align 4
nodes_list:                     ; free nodes, or 0
    .space 4
