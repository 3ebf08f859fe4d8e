; Physical memory in frames of one page.
;
; Owns the free memory: the region of the boot loader's memory map that holds the kernel, from behind the last thing the
; loader put there. Frames go by their address in the window. They are handed out from the bottom; those that come back
; form a list, linked through their first word, and go out again first. Nothing is touched before it is needed, so a
; large memory costs no time at boot.
;
;     region:  | kernel, modules, loader's lists | handed out before ... | never used yet ... |
;                                                          frames_next ->          frames_end ->

.include "kernel.inc"

.text

; frame_alloc: one frame of zeros.
;   out   EAX = frame; CF set: out of memory
.global frame_alloc
frame_alloc:
    ; One that came back, or else the lowest that was never out.
    mov eax, [frames_list]
    test eax, eax
    jz .Lfresh
    mov edx, [eax]
    mov [frames_list], edx
    jmp .Lzero
.Lfresh:
    mov eax, [frames_next]
    cmp eax, [frames_end]
    jae .Lnone
    add dword ptr [frames_next], PAGE_SIZE
    ; Nothing of an earlier owner may show, and page tables must begin empty.
.Lzero:
    inc dword ptr [frames_used]
    push edi
    mov edx, eax
    mov edi, eax
    xor eax, eax
    mov ecx, PAGE_SIZE / 4
    rep stosd
    mov eax, edx
    pop edi
    clc
    ret
.Lnone:
    stc
    ret

; frame_free: takes a frame back.
;   in    EAX = frame
;   out   only its first word has changed (program_end relies on it); ECX kept
.global frame_free
frame_free:
    mov edx, [frames_list]
    mov [eax], edx
    mov [frames_list], eax
    dec dword ptr [frames_used]
    ret

; frames_init: finds the free memory.
;   in    multiboot_info
.global frames_init
frames_init:
    push ebx
    push esi
    push edi
    mov ebx, [multiboot_info]
    test dword ptr [ebx + MBI_FLAGS], MBI_HAS_MMAP
    jz .Lno_map
    call frames_top
    jc .Lno_region
    mov [frames_end], eax
    call frames_bottom
    mov [frames_next], eax
    cmp eax, [frames_end]
    jae .Lno_memory
    pop edi
    pop esi
    pop ebx
    ret
.Lno_map:
    mov eax, text_no_map
    jmp panic
.Lno_region:
    mov eax, text_no_region
    jmp panic
.Lno_memory:
    mov eax, text_no_memory
    jmp panic

; frames_top: the end of the region that the kernel lies in.
;   in    EBX = MBI
;   out   EAX = its end, on a page boundary, not above window_end; CF set: no region holds the kernel
;         ESI, EDI destroyed
frames_top:
    mov esi, [ebx + MBI_MMAP_ADDR]
    add esi, KERNEL_BASE
    mov edi, esi
    add edi, [ebx + MBI_MMAP_LENGTH]

    ; Available, and it begins below us?
.Lentry:
    cmp esi, edi
    jae .Lnone
    cmp dword ptr [esi + MMAP_TYPE], MMAP_AVAILABLE
    jne .Lnext
    cmp dword ptr [esi + MMAP_BASE_HIGH], 0
    jne .Lnext
    mov eax, [esi + MMAP_BASE]
    cmp eax, __image_physical_start
    ja .Lnext

    ; And ends above us? Sizes are 64 bits wide; beyond the window they do not matter.
    mov ecx, [window_end]
    sub ecx, KERNEL_BASE
    cmp dword ptr [esi + MMAP_BYTES_HIGH], 0
    jne .Lclip                          ; 4 GiB or more: reaches the window's end in any case
    add eax, [esi + MMAP_BYTES]
    jc .Lclip
    cmp eax, __image_physical_end
    jb .Lnext
    cmp eax, ecx
    jbe .Lfound
.Lclip:
    mov eax, ecx
.Lfound:
    and eax, PAGE_MASK
    add eax, KERNEL_BASE                ; cannot carry: CF is clear
    ret
.Lnext:
    mov eax, [esi + MMAP_LENGTH]
    lea esi, [esi + eax + MMAP_BASE]
    jmp .Lentry
.Lnone:
    stc
    ret

; frames_bottom: the end of everything that the boot loader put into the region.
;   in    EBX = MBI
;   out   EAX = the first free address, on a page boundary
;         ESI, EDI destroyed
frames_bottom:
    ; The kernel with its bss, the MBI, and the memory map, wherever the loader has put them.
    mov edi, __image_physical_end
    lea eax, [ebx + MBI_SIZE]
    sub eax, KERNEL_BASE
    call frames_above
    mov eax, [ebx + MBI_MMAP_ADDR]
    add eax, [ebx + MBI_MMAP_LENGTH]
    call frames_above

    ; The modules: their list, their files, their strings.
    test dword ptr [ebx + MBI_FLAGS], MBI_HAS_MODULES
    jz .Ldone
    mov esi, [ebx + MBI_MODS_ADDR]
    add esi, KERNEL_BASE
    mov ecx, [ebx + MBI_MODS_COUNT]
.Lmodule:
    mov eax, esi
    sub eax, KERNEL_BASE
    call frames_above                   ; the end of the list, once ECX has come to 0
    dec ecx
    js .Ldone
    mov eax, [esi + MODULE_END]
    call frames_above
    mov eax, [esi + MODULE_STRING]
.Lcharacter:
    mov dl, [eax + KERNEL_BASE]
    inc eax
    test dl, dl
    jnz .Lcharacter
    call frames_above
    add esi, MODULE_SIZE
    jmp .Lmodule
.Ldone:
    lea eax, [edi + KERNEL_BASE]
    add eax, PAGE_SIZE - 1
    and eax, PAGE_MASK
    ret

; frames_above: the later of two ends.
;   in    EAX, EDI = physical addresses
;   out   EDI = the higher one; EAX, ECX, EDX kept
frames_above:
    cmp eax, edi
    jbe .Lreturn
    mov edi, eax
.Lreturn:
    ret

.rodata

text_no_map:
    .asciz "the boot loader passed no memory map"
text_no_region:
    .asciz "the memory map has no region that holds the kernel"
text_no_memory:
    .asciz "no memory is left behind the kernel and its modules"

.bss

.global frames_next, frames_end, frames_used

.align 4
frames_list:                    ; the frame that came back last, or 0
    .space 4
frames_next:                    ; the lowest frame that was never handed out
    .space 4
frames_end:                     ; first address above the free memory
    .space 4
frames_used:                    ; frames that are out; 0 again when the last program has ended
    .space 4
