; ELF32 files: is it a program? For whoever starts programs: a kernel, or a root task.
;
; A file may hold anything, so everything in it is checked here before it is used: by elf_check for the program, and by
; elf_inside for each range of bytes.

.text

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

; elf_check: is this file a program that can be run?
;   in    ESI = the file, EDI = its length, EDX = where its memory must end
;   out   CF set: no, EAX = the reason as text; else EAX = its entry point
;         ESI, EDI kept; ECX, EDX destroyed
.global elf_check
elf_check:
    push ebx
    push ebp
    mov ebp, edx

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
    cmp edx, ebp
    ja .Lno
.Lnext:
    add ebx, PHDR_SIZE
    jmp .Lheader

.Lno:
    stc
    jmp .Lreturn
.Lyes:
    mov eax, [esi + EHDR_ENTRY]
    clc
.Lreturn:
    pop ebp
    pop ebx
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
    .asciz "a segment lies outside the memory of programs"
