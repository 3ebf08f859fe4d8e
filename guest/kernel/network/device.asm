; Memory for a device: its registers, from DEVICE_BASE on, and frames that it can reach. Both are for good, and are asked for
; before the first program starts.

.include "kernel/kernel.inc"

.text

; device_map: maps the registers of a device, not cached.
;   in    EAX = physical address, EDX = bytes, both of whole pages
;   out   EAX = address
.global device_map
device_map:
    or eax, PTE_P | PTE_W | PTE_PCD
    add edx, eax                        ; the first entry that is too many
    mov dword ptr [kernel_directory + DEVICE_BASE / TABLE_SPAN * PTE_SIZE], device_table - KERNEL_BASE + (PTE_P | PTE_W)
    mov ecx, [device_pages]
    push ecx
.Lpage:
    mov [device_table + ecx * PTE_SIZE], eax
    inc ecx
    add eax, PAGE_SIZE
    cmp eax, edx
    jne .Lpage
    mov [device_pages], ecx
    pop eax
    shl eax, PAGE_SHIFT
    add eax, DEVICE_BASE
    ret

; device_memory: memory in one piece.
;   in    EAX = bytes
;   out   EAX = its address in the window; there may be anything in it. CF set: out of memory
.global device_memory
device_memory:
    add eax, PAGE_SIZE - 1
    and eax, PAGE_MASK
    mov edx, [frames_next]
    add eax, edx
    cmp [frames_end], eax
    jb .Lreturn
    mov [frames_next], eax
    mov eax, edx
.Lreturn:
    ret

.bss

.align PAGE_SIZE
device_table:                           ; page table of DEVICE_BASE
    .space PAGE_SIZE
device_pages:                           ; of it that are taken
    .space 4
