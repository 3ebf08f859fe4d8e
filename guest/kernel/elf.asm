; ELF32 files: is it a program, and into an address space with it.
;
; Owns what the kernel believes about a file: everything in it is checked here before it is used, by elf_check for the
; program and by elf_inside for each range of bytes. program.asm and symbol.asm call.
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

; elf_inside: do these bytes lie in the file?
;   in    EAX = offset, EDX = length, EDI = length of the file
;   out   CF set: no; all registers kept
.global elf_inside
elf_inside:
    push eax
    add eax, edx
    jc .Lreturn
    cmp edi, eax
.Lreturn:
    pop eax
    ret

; elf_check: is this file a program that the kernel can run?
;   in    EAX = module
;   out   CF set: no, EAX = the reason as text
.global elf_check
elf_check:
    push ebx
    push esi
    push edi
    call elf_open

    ; The header: each check is preceded by the reason that its failure gives.
    mov eax, text_not_elf
    cmp edi, EHDR_SIZE
    jb .Lno
    cmp dword ptr [esi + EHDR_MAGIC], ELF_MAGIC
    jne .Lno
    mov eax, text_not_386
    cmp word ptr [esi + EHDR_CLASS], ELF_CLASS32_LSB
    jne .Lno
    cmp dword ptr [esi + EHDR_TYPE], ELF_EXEC_386
    jne .Lno

    ; The table of program headers lies in the file.
    mov eax, text_headers
    cmp word ptr [esi + EHDR_PHENTSIZE], PHDR_SIZE
    jne .Lno
    movzx ecx, word ptr [esi + EHDR_PHNUM]
    imul edx, ecx, PHDR_SIZE
    mov eax, [esi + EHDR_PHOFF]
    call elf_inside
    lea ebx, [esi + eax]
    mov eax, text_headers
    jc .Lno

    ; Every segment to load: its bytes lie in the file, are no more than its memory, and that is the program's to have.
.Lheader:
    dec ecx
    js .Lyes
    cmp dword ptr [ebx + PHDR_TYPE], PT_LOAD
    jne .Lnext
    mov eax, [ebx + PHDR_OFFSET]
    mov edx, [ebx + PHDR_FILESZ]
    call elf_inside
    mov eax, text_segment
    jc .Lno
    cmp edx, [ebx + PHDR_MEMSZ]
    ja .Lno
    mov eax, text_address
    mov edx, [ebx + PHDR_VADDR]
    cmp edx, USER_BASE
    jb .Lno
    add edx, [ebx + PHDR_MEMSZ]
    jc .Lno
    cmp edx, USER_LIMIT
    ja .Lno
.Lnext:
    add ebx, PHDR_SIZE
    jmp .Lheader

.Lno:
    stc
    jmp .Lreturn
.Lyes:
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; elf_load: copies the segments of a program into an address space.
;   in    EAX = module that elf_check let pass, EDX = page directory
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

.rodata

text_not_elf:
    .asciz "not an ELF file"
text_not_386:
    .asciz "not a 32-bit executable for the 386"
text_headers:
    .asciz "its program headers are damaged"
text_segment:
    .asciz "a segment is damaged or cut off"
text_address:
    .asciz "a segment lies outside USER_BASE to USER_LIMIT"
