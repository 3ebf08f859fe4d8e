; Physical memory: what the kernel keeps for itself, what the root task sees one to one, and devices, which it sees, too.
;
; Owns the division of memory, and frame_table with a word for each frame of RAM. start calls memory_init; page faults
; of the root task come to space_root_fault, and map items of the root task to memory_show.
;
;     physical      | kernel | left by the boot loader | frame_table, pool | memory for programs |
;                            |                         |                   |                     |
;                       BOOT_START               boot_limit         memory_start         memory_limit
;     root task               read only                  nothing             read and write
;
; Below the kernel it may read what lies under LOW_END, where boot loaders leave things, too. From DEVICE_BASE on there
; is no RAM, but registers of devices: they are the root task's at ROOT_DEVICES, to read and write, and not cached. The
; window ends below them: who has found a frame of theirs in a page table must not look for it there (pages.asm).
;
; What a frame's word holds depends on what the frame is:
;     a page table below UTCB_BASE      its shadow (nodes.asm)
;     a page directory                  how many threads are in that space
;     anything else                     0

.include "micro.inc"

BOOT_START = (__image_physical_end + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)
LOW_END = 0xA0000               ; first address above a PC's memory below 1 MiB
WORD_SIZE = 4                   ; of frame_table

.assert ROOT_DEVICES_END - ROOT_DEVICES == (1 << 32) - DEVICE_BASE, "ROOT_DEVICES is as long as what lies above DEVICE_BASE"
.assert ROOT_DEVICES_END <= UTCB_BASE, "all of it lies where the root task can have pages"
.assert ROOT_BASE >= DEVICE_BASE - KERNEL_BASE, "memory that is seen one to one ends below the root task's own"

.text

; memory_init: divides what frames_init has found.
;   out   frames_next, frames_end = the kernel's pool; frame_table, memory_start, memory_limit, boot_limit
.global memory_init
memory_init:
    push edi
    mov edi, [frames_next]
    mov [frame_table], edi
    mov eax, edi
    sub eax, KERNEL_BASE
    mov [boot_limit], eax

    ; A word for each frame from address 0 on; behind that the pool.
    mov ecx, [frames_end]
    mov eax, ecx
    sub eax, KERNEL_BASE
    mov [memory_limit], eax
    shr eax, PAGE_SHIFT
    lea edx, [edi + eax * WORD_SIZE]
    add edx, PAGE_SIZE - 1
    and edx, PAGE_MASK
    cmp edx, ecx
    jae .Lno_memory
    mov [frames_next], edx
    sub ecx, edx
    shr ecx, POOL_SHIFT
    lea edx, [edx + ecx]
    add edx, PAGE_SIZE - 1
    and edx, PAGE_MASK
    mov [frames_end], edx
    sub edx, KERNEL_BASE
    mov [memory_start], edx

    mov ecx, eax
    xor eax, eax
    rep stosd
    pop edi
    jmp space_init
.Lno_memory:
    mov eax, text_no_memory
    jmp panic

; frame_word: the word of a frame.
;   in    EAX = address in the window
;   out   EAX = address of the word that belongs to its frame; EDX kept
.global frame_word
frame_word:
    mov ecx, [frame_table]
    shr eax, PAGE_SHIFT
    lea eax, [ecx + eax * WORD_SIZE - KERNEL_BASE / PAGE_SIZE * WORD_SIZE]
    ret

; memory_entry: what the root task may have at an address.
;   in    EAX = address of a page
;   out   ECX = what makes of it the page-table entry when it is added: the way to the frame, and the rights;
;         CF set: it may have nothing there. EAX, EDX kept
memory_entry:
    mov ecx, PTE_P | PTE_U | PTE_W
    cmp eax, [memory_start]
    jb .Lboot
    cmp eax, [memory_limit]
    cmc
    jnc .Lreturn
    mov ecx, DEVICE_BASE - ROOT_DEVICES + (PTE_P | PTE_U | PTE_W | PTE_PCD)
    cmp eax, ROOT_DEVICES
    jb .Lreturn
    cmp eax, ROOT_DEVICES_END
    cmc
    ret
.Lboot:
    mov ecx, PTE_P | PTE_U
    cmp eax, BOOT_START
    jb .Llow
    cmp eax, [boot_limit]
    cmc
    ret
    ; Below 640 KiB a boot loader may have put its lists and strings.
.Llow:
    cmp eax, PAGE_SIZE
    jb .Lreturn
    cmp eax, LOW_END
    cmc
.Lreturn:
    ret

; space_root_fault: serves a page fault of the root task, if the kernel is the one to do it.
;   in    EAX = address, EDX = 1 if it was a write, 0 if a read
;   out   CF set: the address is none of memory's, or may not be written, or the pool is used up
;
; What the root task had at that address goes: it is the kernel's to say what lies there.
.global space_root_fault
space_root_fault:
    push ebx
    push esi
    and eax, PAGE_MASK
    call memory_entry
    jc .Lreturn
    test edx, edx
    jz .Lallowed
    test cl, PTE_W
    stc
    jz .Lreturn
.Lallowed:
    lea esi, [eax + ecx]        ; the page-table entry
    mov edx, eax
    mov eax, root_directory
    call page_slot
    jc .Lreturn
    mov ebx, eax
    mov edx, esi
    xor ecx, ecx
    call node_extend
    jnc .Lreturn
    mov eax, ebx
    call node_clear
    mov eax, ebx
    mov edx, esi
    xor ecx, ecx
    call node_add
    call page_flush
.Lreturn:
    pop esi
    pop ebx
    ret

; memory_show: maps what the root task may see of a range and has no page for yet. Devices are shown only if the range
; begins with them: who gives all memory away does not mean those.
;   in    EAX = first page, EDX = last address of the range
;   out   CF set: out of memory, part of it may be mapped
.global memory_show
memory_show:
    push esi
    push edi
    mov esi, eax
    mov edi, ROOT_DEVICES_END - 1
    cmp esi, ROOT_DEVICES
    jae .Llast
    mov edi, [memory_limit]
    dec edi
.Llast:
    cmp edi, edx
    jbe .Lpage
    mov edi, edx                ; no further than there is something
.Lpage:
    cmp esi, edi
    ja .Ldone
    mov eax, esi
    call memory_entry
    jc .Lnext
    push ecx
    mov edx, esi
    mov eax, root_directory
    call page_slot
    pop edx
    jc .Lreturn
    cmp dword ptr [eax], 0
    jne .Lnext
    add edx, esi
    xor ecx, ecx
    call node_add
    jc .Lreturn
.Lnext:
    add esi, PAGE_SIZE
    jmp .Lpage
.Ldone:
    clc
.Lreturn:
    pop edi
    pop esi
    ret

.rodata

text_no_memory:
    .asciz "no memory is left for the kernel behind its modules"

.bss

.global frame_table, memory_start, memory_limit, boot_limit

.align 4
frame_table:                    ; address of the table: a word for each frame of RAM, from physical address 0 on
    .space 4
memory_start:                   ; physical: where the memory for programs begins
    .space 4
memory_limit:                   ; physical: first address above it
    .space 4
boot_limit:                     ; physical: first address above what the boot loader left
    .space 4
