; ELF32 files: into an address space with them. Nothing of a file is believed that lib/elf_check.asm has not let pass;
; program.asm and symbol.asm call.
;
; Inside this file and symbol.asm ESI is the start of the file in the window and EDI its length.

.include "kernel.inc"

.text

; elf_open: where a module's file is.
;   in    EAX = module
;   out   ESI = the file, EDI = its length; EDX, EBX kept
.global elf_open
elf_open:
    mov esi, [eax + MODULE_START]
    mov edi, [eax + MODULE_END]
    sub edi, esi
    add esi, KERNEL_BASE
    ret

; elf_check_module: is this a program that the kernel can run?
;   in    EAX = module
;   out   CF set: no, EAX = the reason as text
;         ECX, EDX destroyed
.global elf_check_module
elf_check_module:
    push esi
    push edi
    call elf_open
    mov edx, USER_LIMIT
    call elf_check
    pop edi
    pop esi
    ret

; elf_load: copies the segments of a program into an address space.
;   in    EAX = module that elf_check_module let pass, EDX = page directory
;   out   CF set: out of memory, some of it may be loaded
.global elf_load
elf_load:
    push ebx
    push esi
    push edi
    push ebp
    call elf_open
    mov ebp, edx
    movzx ecx, word ptr [esi + EHDR_PHNUM]
    mov ebx, [esi + EHDR_PHOFF]
    add ebx, esi
.Lheader:
    dec ecx
    js .Lyes
    cmp dword ptr [ebx + PHDR_TYPE], PT_LOAD
    jne .Lnext
    push ecx
    call segment_load
    pop ecx
    jc .Lreturn
.Lnext:
    add ebx, PHDR_SIZE
    jmp .Lheader
.Lyes:
    clc
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; segment_load: copies one segment, page by page; segments may share a page, which then has the rights of both.
;   in    EBX = program header, ESI = file, EBP = page directory
;   out   CF set: out of memory
;         EDI destroyed
;
;               EDI = page                            page + PAGE_SIZE
;     program ---|---------xxxxxxxxxxxxxxxxxxxxxx---------|---
;                |         EDX                   ECX          what this page gets from the file: offsets in the page
segment_load:
    mov edi, [ebx + PHDR_VADDR]
    and edi, PAGE_MASK
.Lpage:
    mov eax, [ebx + PHDR_VADDR]
    add eax, [ebx + PHDR_MEMSZ]
    cmp edi, eax
    jae .Ldone
    mov ecx, PTE_U
    test dword ptr [ebx + PHDR_FLAGS], PF_W
    jz .Lmap
    or ecx, PTE_W
.Lmap:
    mov eax, ebp
    mov edx, edi
    call space_map              ; EAX = the frame, zero where no other segment has been
    jc .Lreturn

    ; ECX = where the file's bytes end in this page, EDX = where they begin
    mov ecx, [ebx + PHDR_VADDR]
    add ecx, [ebx + PHDR_FILESZ]
    sub ecx, edi
    jbe .Lnext                  ; the file's part ends before this page: it stays zero
    cmp ecx, PAGE_SIZE
    jbe .Lend
    mov ecx, PAGE_SIZE
.Lend:
    mov edx, [ebx + PHDR_VADDR]
    sub edx, edi
    jae .Lbegin
    xor edx, edx                ; the segment began before this page
.Lbegin:
    sub ecx, edx
    jbe .Lnext

    ; Copy them, by the window: the program's space is not the current one.
    push esi
    push edi
    add esi, edi                ; file + PHDR_OFFSET + (page + EDX - PHDR_VADDR)
    add esi, edx
    add esi, [ebx + PHDR_OFFSET]
    sub esi, [ebx + PHDR_VADDR]
    lea edi, [eax + edx]
    rep movsb
    pop edi
    pop esi
.Lnext:
    add edi, PAGE_SIZE
    jmp .Lpage
.Ldone:
    clc
.Lreturn:
    ret
