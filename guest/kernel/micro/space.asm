; Address spaces: a page directory for each, from the first thread in it to the last.
;
; Owns page directories, UTCB pages and the root task's directory. control.asm makes and ends spaces, threads.asm places
; UTCBs, start and elf.asm load the root task. A directory goes by its address in the window, except in KTCB_SPACE and
; CR3. A space lives as long as there are threads in it; how many that are stands in frame_table.
;
;     FFFFFFFF  +---------------------------------+
;               | as in kernel_directory          |  the window: the same entries in every directory
;     C0000000  +---------------------------------+ KERNEL_BASE
;               | kip_table: the KIP page         |  the same table in every directory
;     BFC00000  +---------------------------------+ UTCB_LIMIT
;               | one table, pages of 8 UTCBs     |  a space's own; no shadow, no nodes
;     BF800000  +---------------------------------+ UTCB_BASE
;               | tables with shadows and nodes   |  what is mapped
;     00000000  +---------------------------------+

.include "micro.inc"

KERNEL_ENTRY = KERNEL_BASE / TABLE_SPAN * PTE_SIZE      ; where these begin in a directory
KIP_ENTRY    = KIP_BASE / TABLE_SPAN * PTE_SIZE
UTCB_ENTRY   = UTCB_BASE / TABLE_SPAN * PTE_SIZE
KIP_SLOT     = KIP_BASE % TABLE_SPAN / PAGE_SIZE * PTE_SIZE     ; where the KIP page is in kip_table

.assert UTCB_LIMIT - UTCB_BASE == TABLE_SPAN, "the UTCBs have one page table"
.assert UTCB_LIMIT - UTCB_BASE >= MAX_THREADS << UTCB_SHIFT, "every thread number has a UTCB"

.text

; space_init: makes the root task's space, and the page table of the KIP page.
.global space_init
space_init:
    mov dword ptr [kip_table + KIP_SLOT], kip - KERNEL_BASE + (PTE_P | PTE_U)
    mov eax, root_directory

; space_fill: what every space has.
;   in    EAX = page directory, zero
;   out   EAX kept
space_fill:
    push esi
    push edi
    lea edi, [eax + KERNEL_ENTRY]
    mov esi, kernel_directory + KERNEL_ENTRY
    mov ecx, PTE_COUNT - KERNEL_BASE / TABLE_SPAN
    rep movsd
    mov dword ptr [eax + KIP_ENTRY], kip_table - KERNEL_BASE + (PTE_P | PTE_W | PTE_U)
    pop edi
    pop esi
    ret

; space_create: a space with no thread in it, and nothing mapped.
;   out   EAX = page directory; CF set: out of memory
.global space_create
space_create:
    call frame_alloc
    jc .Lreturn
    call space_fill
    clc
.Lreturn:
    ret

; space_enter: one more thread in a space.
;   in    EAX = page directory
.global space_enter
space_enter:
    call frame_word
    inc dword ptr [eax]
    ret

; space_leave: one less; with the last one the space goes.
;   in    EAX = page directory
.global space_leave
space_leave:
    push eax
    call frame_word
    dec dword ptr [eax]
    pop eax
    jz space_free
    ret

; space_free: gives back a space, and what others have been mapped from it.
;   in    EAX = page directory that no thread is in, not the root task's
;
; The frames of its pages are the root task's. Those of its UTCBs, tables and shadows are the kernel's.
.global space_free
space_free:
    push ebx
    push esi
    mov ebx, eax
    ; Out of it, if we are in it: all directories agree on the kernel.
    sub eax, KERNEL_BASE
    mov ecx, cr3
    cmp eax, ecx
    jne .Lpages
    mov eax, kernel_directory - KERNEL_BASE
    mov cr3, eax

.Lpages:
    xor esi, esi
.Lpage:
    mov eax, ebx
    mov edx, esi
    mov ecx, UTCB_BASE - 1
    call page_next
    jc .Lutcbs
    lea esi, [edx + PAGE_SIZE]
    call node_clear
    jmp .Lpage

.Lutcbs:
    mov eax, [ebx + UTCB_ENTRY]
    test al, PTE_P
    jz .Ltables
    and eax, PTE_FRAME
    add eax, KERNEL_BASE
    mov ecx, PTE_COUNT
    call frames_free
.Ltables:
    xor esi, esi
.Lshadow:
    mov eax, [ebx + esi * PTE_SIZE]
    and eax, PTE_FRAME
    jz .Lnext
    add eax, KERNEL_BASE
    call shadow_free
.Lnext:
    inc esi
    cmp esi, UTCB_BASE / TABLE_SPAN
    jb .Lshadow
    mov eax, ebx
    mov ecx, UTCB_BASE / TABLE_SPAN + 1
    call frames_free
    mov eax, ebx
    call frame_free
    call page_flush
    pop esi
    pop ebx
    ret

; shadow_free: gives back a page table's shadow.
;   in    EAX = page table
shadow_free:
    call frame_word
    mov edx, eax
    mov eax, [edx]
    mov dword ptr [edx], 0
    jmp frame_free

; frames_free: gives back the frames that entries refer to.
;   in    EAX = first entry, ECX = how many
frames_free:
    push esi
    mov esi, eax
.Lentry:
    mov eax, [esi]
    add esi, PTE_SIZE
    and eax, PTE_FRAME
    jz .Lnext
    add eax, KERNEL_BASE
    call frame_free             ; keeps ECX
.Lnext:
    dec ecx
    jnz .Lentry
    pop esi
    ret

; space_utcb: makes sure that there is memory for a UTCB.
;   in    EAX = page directory, EDX = address of the UTCB in that space
;   out   EAX = that UTCB in the window; CF set: out of memory
.global space_utcb
space_utcb:
    push ebx
    mov ebx, edx
    add eax, UTCB_ENTRY
    call page_frame             ; the table
    jc .Lreturn
    mov edx, ebx
    shr edx, PAGE_SHIFT
    and edx, PTE_COUNT - 1
    lea eax, [eax + edx * PTE_SIZE]
    call page_frame             ; the page
    jc .Lreturn
    and ebx, PAGE_SIZE - 1
    or eax, ebx
.Lreturn:
    pop ebx
    ret

; space_map: makes sure that there is a page at an address, as the kernel gives it to the root task.
;   in    EAX = page directory, EDX = address below UTCB_BASE, ECX = PTE_U or PTE_U | PTE_W
;   out   EAX = the page's frame in the window: new and zero, or the one that was there, with the rights added
;         CF set: out of memory
.global space_map
space_map:
    push ebx
    push esi
    mov esi, ecx
    call page_slot
    jc .Lreturn
    mov ebx, eax
    cmp dword ptr [ebx], 0
    jne .Lthere
    call frame_alloc
    jc .Lreturn
    push eax
    lea edx, [eax + (PTE_P | PTE_U)]
    sub edx, KERNEL_BASE
    mov eax, ebx
    xor ecx, ecx
    call node_add
    pop eax
    jc .Lno_node
.Lthere:
    or [ebx], esi
    mov eax, [ebx]
    and eax, PTE_FRAME
    add eax, KERNEL_BASE        ; cannot carry: CF is clear
.Lreturn:
    pop esi
    pop ebx
    ret
.Lno_node:
    call frame_free
    stc
    jmp .Lreturn

.bss

.global root_directory

.align PAGE_SIZE
root_directory:                 ; the page directory of the root task
    .space PAGE_SIZE
kip_table:                      ; the page table of every space's last 4 MiB below KERNEL_BASE: the KIP page
    .space PAGE_SIZE
