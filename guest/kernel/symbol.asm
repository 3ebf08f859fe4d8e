; Names for addresses in a program, from the symbol table of its ELF file.
;
; Owns nothing. fault.asm calls. The file is a stranger's: a damaged or missing table only means that there is no name.

.include "kernel.inc"

.text

; symbol_find: the nearest symbol that is not above an address in a program.
;   in    EAX = module that elf_check_module let pass, EDX = address
;   out   EAX = name, EDX = how far behind the symbol the address is
;         CF set: no symbol, or the address is in no segment of the program
.global symbol_find
symbol_find:
    push ebx
    push esi
    push edi
    push ebp
    ; An address outside the program would get the last symbol and an offset of megabytes: better none.
    mov ebp, edx
    call elf_open
    call symbol_in_segment
    jc .Lreturn
    call symbol_table
    jc .Lreturn

    ; Through the whole table, which is in no order. A candidate is not above the address, is a place in the program
    ; (no section, no file, no absolute number), has a name within the names, and is nearer than the best so far.
    xor edx, edx                ; the best so far
.Lsymbol:
    sub ecx, SYM_SIZE
    jb .Lend
    mov eax, [ebx + SYM_VALUE]
    cmp eax, ebp
    ja .Lnext
    mov al, [ebx + SYM_INFO]
    and al, STT_MASK
    cmp al, STT_SECTION
    jae .Lnext
    mov ax, [ebx + SYM_SHNDX]
    dec ax                      ; 0 becomes FFFFh: undefined symbols go with the reserved ones
    cmp ax, SHN_LORESERVE - 1
    jae .Lnext
    cmp [ebx + SYM_NAME], edi
    jae .Lnext
    test edx, edx
    jz .Lbetter
    mov eax, [ebx + SYM_VALUE]
    cmp eax, [edx + SYM_VALUE]
    jbe .Lnext
.Lbetter:
    mov edx, ebx
.Lnext:
    add ebx, SYM_SIZE
    jmp .Lsymbol

.Lend:
    cmp edx, 1                  ; CF if there is none
    jb .Lreturn
    mov eax, [edx + SYM_NAME]
    add eax, esi
    sub ebp, [edx + SYM_VALUE]
    mov edx, ebp                ; CF is clear: the symbol was not above
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; symbol_in_segment: is an address in a segment of the program?
;   in    EBP = address, ESI = file
;   out   CF set: no
symbol_in_segment:
    movzx ecx, word ptr [esi + EHDR_PHNUM]
    mov edx, [esi + EHDR_PHOFF]
    add edx, esi
.Lheader:
    sub ecx, 1
    jb .Lreturn                 ; none left: CF is set
    cmp dword ptr [edx + PHDR_TYPE], PT_LOAD
    jne .Lnext
    mov eax, ebp
    sub eax, [edx + PHDR_VADDR]
    cmp eax, [edx + PHDR_MEMSZ]
    jb .Lyes
.Lnext:
    add edx, PHDR_SIZE
    jmp .Lheader
.Lyes:
    clc
.Lreturn:
    ret

; symbol_table: finds and checks the symbol table and its names.
;   in    ESI = file, EDI = its length
;   out   EBX = first symbol, ECX = bytes of the table, ESI = the names, which end with a zero byte, EDI = their bytes
;         CF set: there is none, or it is damaged
;
;     file header -> section headers -> .symtab -> symbols (EBX, ECX)
;                                    |    link
;                                    +-> .strtab -> names (ESI, EDI)
symbol_table:
    cmp word ptr [esi + EHDR_SHENTSIZE], SHDR_SIZE
    jne .Lno
    movzx ecx, word ptr [esi + EHDR_SHNUM]
    imul edx, ecx, SHDR_SIZE
    mov eax, [esi + EHDR_SHOFF]
    call elf_inside
    jc .Lno
    lea ebx, [esi + eax]
.Lsection:
    dec ecx
    js .Lno
    cmp dword ptr [ebx + SHDR_TYPE], SHT_SYMTAB
    je .Lfound
    add ebx, SHDR_SIZE
    jmp .Lsection

    ; Its names are in the section that it links to.
.Lfound:
    movzx eax, word ptr [esi + EHDR_SHNUM]
    mov ecx, [ebx + SHDR_LINK]
    cmp ecx, eax
    jae .Lno
    imul ecx, ecx, SHDR_SIZE
    add ecx, [esi + EHDR_SHOFF]
    add ecx, esi                ; the section of the names

    ; Both lie in the file, and the last name ends in it.
    mov eax, [ebx + SHDR_OFFSET]
    mov edx, [ebx + SHDR_BYTES]
    call elf_inside
    jc .Lno
    lea ebx, [esi + eax]
    push edx                    ; bytes of the symbol table
    mov eax, [ecx + SHDR_OFFSET]
    mov edx, [ecx + SHDR_BYTES]
    pop ecx
    call elf_inside
    jc .Lno
    test edx, edx
    jz .Lno
    add esi, eax
    mov edi, edx
    dec edx
    cmp byte ptr [esi + edx], 0
    jne .Lno
    clc
    ret
.Lno:
    stc
    ret
