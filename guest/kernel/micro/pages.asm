; Page tables of programs: finding an entry, making one, walking a range; and who has touched a page.
;
; Owns the tables below UTCB_BASE, and what is in an entry besides frame and rights. Nobody else knows PTE_A and PTE_D.
; space.asm, map.asm, unmap.asm and nodes.asm call. Page directories and entries go by their addresses in the window.
;
; An entry that is not present is 0. Every page table has a shadow: a frame with a word for each entry, the node of the
; mapping that the entry is (nodes.asm), or 0. frame_table has the way from one to the other:
;
;     entry                frame_table[table]        shadow
;     table + n     -->    shadow             -->    shadow + n: node
;
; A frame from DEVICE_BASE on is no RAM, but registers of a device: PCD is set in its entry, and it has no place in the
; window. Only the program itself may touch it.
;
; The processor sets A in an entry when it takes it into the TLB, and D when it writes to the page. page_harvest takes
; both away and notes them four bits further up, where they wait until the owner of the page asks (page_status). What
; has been harvested may still be in the TLB, and must not be; an entry without A is not in it (volume 3A, 4.10.2.3).
; Rights are taken away only behind a harvest, so nothing else calls for a flush. page_flush does it once, at the end of
; an operation.
;
;       31           12 11 10 9  8 7 6 5 4 3 2 1 0
;     | frame          | |  D A|    D A C   U W P|
;                        noted      new PCD

.include "micro.inc"

PTE_A = 0x20                    ; accessed
PTE_D = 0x40                    ; dirty: written to; never without A, and never on a page that is read-only
NOTED_SHIFT = 4                 ; from these two to where the kernel notes them, bits that the processor ignores
DIRTY_SHIFT = 5                 ; from PTE_W to PTE_D

.assert PTE_D == PTE_W << DIRTY_SHIFT, "DIRTY_SHIFT leads from PTE_W to PTE_D"

.text

; space_find_page: where a byte of a program is.
;   in    EAX = page directory, EDX = address in that space, ECX = rights needed: PTE_U, or PTE_U | PTE_W
;   out   EAX = that byte in the window; CF set: no page there, none that is mapped by a program, or not these rights:
;         EAX = 0; or not 0: it is there, but no memory
;
; The caller is about to read, or to write if it needs PTE_W: that counts as the program's access.
.global space_find_page
space_find_page:
    push ebx
    cmp edx, UTCB_BASE
    jae .Lno
    mov ebx, edx
    shr ebx, TABLE_SHIFT
    mov eax, [eax + ebx * PTE_SIZE]
    test al, PTE_P
    jz .Lno
    and eax, PTE_FRAME
    mov ebx, edx
    shr ebx, PAGE_SHIFT
    and ebx, PTE_COUNT - 1
    lea ebx, [eax + ebx * PTE_SIZE + KERNEL_BASE]
    mov eax, [ebx]
    not eax
    test eax, ecx
    jnz .Lno                    ; one of the rights is missing
    not eax
    cmp eax, DEVICE_BASE
    jae .Ldevice

    and ecx, PTE_W
    shl ecx, DIRTY_SHIFT
    or ecx, PTE_A
    or [ebx], ecx
    and eax, PTE_FRAME
    and edx, PAGE_SIZE - 1
    lea eax, [eax + edx + KERNEL_BASE]
    pop ebx
    ret
.Lno:
    xor eax, eax
.Ldevice:
    pop ebx
    stc
    ret

; page_slot: the entry for an address, with a new page table if need be.
;   in    EAX = page directory, EDX = address below UTCB_BASE
;   out   EAX = page-table entry; CF set: out of memory
.global page_slot
page_slot:
    push ebx
    push esi
    mov esi, edx
    shr edx, TABLE_SHIFT
    lea ebx, [eax + edx * PTE_SIZE]
    test byte ptr [ebx], PTE_P
    jnz .Ltable
    call page_table
    jc .Lreturn
.Ltable:
    mov eax, [ebx]
    and eax, PTE_FRAME
    shr esi, PAGE_SHIFT
    and esi, PTE_COUNT - 1
    lea eax, [eax + esi * PTE_SIZE + KERNEL_BASE]
.Lreturn:
    pop esi
    pop ebx
    ret

; page_table: a page table and its shadow.
;   in    EBX = directory entry, 0
;   out   CF set: out of memory, nothing has changed
page_table:
    call frame_alloc            ; the shadow
    jc .Lreturn
    push eax
    mov eax, ebx
    call page_frame
    jc .Lno_table
    call frame_word
    pop dword ptr [eax]
    clc
.Lreturn:
    ret
.Lno_table:
    pop eax
    call frame_free
    stc
    ret

; page_frame: the frame behind an entry of a directory or table, a new one of zeros if there is none.
;   in    EAX = entry
;   out   EAX = frame in the window; CF set: out of memory
.global page_frame
page_frame:
    push ebx
    mov ebx, eax
    mov eax, [ebx]
    test al, PTE_P
    jnz .Lthere
    call frame_alloc
    jc .Lreturn
    sub eax, KERNEL_BASE
    or eax, PTE_P | PTE_W | PTE_U
    mov [ebx], eax
.Lthere:
    and eax, PTE_FRAME
    add eax, KERNEL_BASE        ; cannot carry: CF is clear
.Lreturn:
    pop ebx
    ret

; page_shadow: where the node of an entry is kept.
;   in    EAX = page-table entry
;   out   EAX = its word in the table's shadow
.global page_shadow
page_shadow:
    mov edx, eax
    and edx, PAGE_SIZE - 1
    call frame_word
    mov eax, [eax]
    add eax, edx
    ret

; page_next: the next page of a range. Where there is no page table, it goes on with the next one.
;   in    EAX = page directory, EDX = first page of the range, ECX = its last address, below UTCB_BASE
;   out   EAX = page-table entry, EDX = address of the page; CF set: there is none
.global page_next
page_next:
    push ebx
    push esi
    mov esi, eax
.Ltable:
    cmp edx, ecx
    ja .Lnone
    mov ebx, edx
    shr ebx, TABLE_SHIFT
    mov ebx, [esi + ebx * PTE_SIZE]
    test bl, PTE_P
    jz .Lno_table
    and ebx, PTE_FRAME
    mov eax, edx
    shr eax, PAGE_SHIFT
    and eax, PTE_COUNT - 1
    lea eax, [ebx + eax * PTE_SIZE + KERNEL_BASE]
.Lpage:
    cmp dword ptr [eax], 0
    jne .Lfound
    add edx, PAGE_SIZE
    cmp edx, ecx
    ja .Lnone
    add eax, PTE_SIZE
    test eax, PAGE_SIZE - 1
    jnz .Lpage
    jmp .Ltable
.Lno_table:
    or edx, TABLE_SPAN - 1
    inc edx
    jmp .Ltable
.Lnone:
    stc
    jmp .Lreturn
.Lfound:
    clc
.Lreturn:
    pop esi
    pop ebx
    ret

; page_harvest: takes and notes what the processor has set in an entry.
;   in    EAX = page-table entry
;   out   EAX = PTE_A and PTE_D, as they were
.global page_harvest
page_harvest:
    mov edx, eax
    mov eax, [edx]
    and eax, PTE_A | PTE_D
    jz .Lreturn
    mov [page_stale], eax
    xor [edx], eax
    mov ecx, eax
    shl ecx, NOTED_SHIFT
    or [edx], ecx
.Lreturn:
    ret

; page_status: what has been noted in an entry since the last call.
;   in    EAX = page-table entry
;   out   EAX = FPAGE_READ | FPAGE_EXECUTE if somebody has used the page, and FPAGE_WRITE if somebody has written to it
.global page_status
page_status:
    mov edx, [eax]
    and dword ptr [eax], ~((PTE_A | PTE_D) << NOTED_SHIFT)
    xor eax, eax
    test edx, PTE_A << NOTED_SHIFT
    jz .Lreturn
    or eax, FPAGE_READ | FPAGE_EXECUTE
    test edx, PTE_D << NOTED_SHIFT
    jz .Lreturn
    or eax, FPAGE_WRITE
.Lreturn:
    ret

; page_flush: empties the TLB, if it may hold something that is no longer so. Every operation that may have changed an
; entry ends with it.
;   out   flags, EAX and EDX kept
.global page_flush
page_flush:
    mov ecx, [page_stale]
    jecxz .Lreturn
    mov dword ptr [page_stale], 0
    mov ecx, cr3
    mov cr3, ecx
.Lreturn:
    ret

.bss

.align 4
page_stale:                     ; not 0: an entry that was in use has changed since the last flush
    .space 4
