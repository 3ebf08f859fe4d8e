; ELF32 files: is it a program, and what is on its pages.
;
; Owns what the root task believes about a file: elf_check looks at everything before elf_rights and elf_fill use it.

.include "lib/micro/user.inc"

; SEGMENTS module: EBX = the first program header, ESI = the file, ECX = how many; of a file that elf_check let pass.
.macro SEGMENTS module
    mov esi, [\module + MODULE_START]
    mov ebx, [esi + EHDR_PHOFF]
    add ebx, esi
    movzx ecx, word ptr [esi + EHDR_PHNUM]
.endm

.text

; elf_inside: do these bytes lie in the file?
;   in    EAX = offset, EDX = length, EDI = length of the file
;   out   CF set: no; all registers kept
elf_inside:
    push eax
    add eax, edx
    jc .Lreturn
    cmp edi, eax
.Lreturn:
    pop eax
    ret

; elf_check: is this file a program that can be run?
;   in    EAX = module
;   out   CF set: no, EAX = the reason as text; else EAX = its entry point
.global elf_check
elf_check:
    push ebx
    push esi
    push edi
    mov esi, [eax + MODULE_START]
    mov edi, [eax + MODULE_END]
    sub edi, esi

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
    cmp word ptr [esi + EHDR_PHENTSIZE], PHDR_SIZE
    mov eax, text_headers
    jne .Lno
    movzx ecx, word ptr [esi + EHDR_PHNUM]
    imul edx, ecx, PHDR_SIZE
    mov eax, [esi + EHDR_PHOFF]
    call elf_inside
    lea ebx, [esi + eax]
    mov eax, text_headers
    jc .Lno

    ; Every segment to load: its bytes lie in the file, are no more than its memory, and that is the program's to have.
.Lsegment:
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
    cmp edx, HEAP_BASE
    ja .Lno
.Lnext:
    add ebx, PHDR_SIZE
    jmp .Lsegment

.Lno:
    stc
    jmp .Lreturn
.Lyes:
    mov eax, [esi + EHDR_ENTRY]
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
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
    .asciz "a segment lies outside USER_BASE to HEAP_BASE"
