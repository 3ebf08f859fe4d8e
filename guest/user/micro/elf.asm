; ELF32 files: is it a program, and what is on its pages.
;
; Nothing of a file is believed that lib/elf_check.asm has not let pass.

.include "lib/micro/user.inc"

; SEGMENTS module: EBX = the first program header, ESI = the file, ECX = how many; of a file that elf_check let pass.
.macro SEGMENTS module
    mov esi, [\module + MODULE_START]
    mov ebx, [esi + EHDR_PHOFF]
    add ebx, esi
    movzx ecx, word ptr [esi + EHDR_PHNUM]
.endm

.text

; elf_check_module: is this a program that can be run?
;   in    EAX = module
;   out   CF set: no, EAX = the reason as text; else EAX = its entry point
;         ECX, EDX destroyed
.global elf_check_module
elf_check_module:
    push esi
    push edi
    mov esi, [eax + MODULE_START]
    mov edi, [eax + MODULE_END]
    sub edi, esi
    mov edx, HEAP_BASE
    call elf_check
    pop edi
    pop esi
    ret

; elf_rights: what may a program do with a page of its own?
;   in    EAX = module, EDX = page
;   out   EAX = FPAGE_ rights: those of all segments with a part of the page; 0 if there is none; EDX kept
.global elf_rights
elf_rights:
    push ebx
    push esi
    push edi
    SEGMENTS eax
    xor eax, eax
.Lsegment:
    dec ecx
    js .Lreturn
    cmp dword ptr [ebx + PHDR_TYPE], PT_LOAD
    jne .Lnext
    mov edi, [ebx + PHDR_VADDR]         ; the segment begins before the page's end,
    sub edi, edx
    jbe .Lbegun
    cmp edi, PAGE_SIZE
    jae .Lnext
.Lbegun:
    mov edi, [ebx + PHDR_VADDR]         ; and ends behind its beginning
    add edi, [ebx + PHDR_MEMSZ]
    cmp edi, edx
    jbe .Lnext
    or eax, FPAGE_READ | FPAGE_EXECUTE
    test dword ptr [ebx + PHDR_FLAGS], PF_W
    jz .Lnext
    or eax, FPAGE_WRITE
.Lnext:
    add ebx, PHDR_SIZE
    jmp .Lsegment
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; elf_fill: copies onto a page what the file has for it.
;   in    EAX = module, EDX = page, ECX = frame of zeros
.global elf_fill
elf_fill:
    push ebx
    push esi
    push edi
    push ebp
    mov ebp, ecx
    SEGMENTS eax
.Lsegment:
    dec ecx
    js .Lreturn
    cmp dword ptr [ebx + PHDR_TYPE], PT_LOAD
    jne .Lnext
    push ecx
    call segment_fill
    pop ecx
.Lnext:
    add ebx, PHDR_SIZE
    jmp .Lsegment
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; segment_fill: copies one segment's part of a page.
;   in    EBX = program header, ESI = file, EDX = page, EBP = frame
;   out   EDX kept; EDI destroyed
;
;                EDX = page                            page + PAGE_SIZE
;     program ---|---------xxxxxxxxxxxxxxxxxxxxxx---------|---
;                |         EDI                   ECX          what this page gets from the file: offsets in the page
segment_fill:
    mov ecx, [ebx + PHDR_VADDR]
    add ecx, [ebx + PHDR_FILESZ]
    sub ecx, edx
    jbe .Lreturn                        ; the file's part ends before this page
    cmp ecx, PAGE_SIZE
    jbe .Lend
    mov ecx, PAGE_SIZE
.Lend:
    mov edi, [ebx + PHDR_VADDR]
    sub edi, edx
    jae .Lbegin
    xor edi, edi                        ; the segment began before this page
.Lbegin:
    sub ecx, edi
    jbe .Lreturn                        ; it begins behind it
    push esi
    add esi, [ebx + PHDR_OFFSET]        ; file + PHDR_OFFSET + (page + EDI - PHDR_VADDR)
    sub esi, [ebx + PHDR_VADDR]
    add esi, edx
    add esi, edi
    add edi, ebp
    rep movsb
    pop esi
.Lreturn:
    ret
