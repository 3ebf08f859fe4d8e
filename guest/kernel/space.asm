; Address spaces: a page directory of its own for every program.
;
; Owns the page tables below KERNEL_BASE; the upper quarter of every directory is a copy of the kernel's, which does not
; change after boot. A directory goes by its address in the window, except in TCB_SPACE and CR3. Called by program.asm
; and elf.asm, and by system calls that take pointers.

.include "kernel.inc"

.text

; space_create: an address space with nothing but the kernel in it.
;   out   EAX = page directory; CF set: out of memory
.global space_create
space_create:
    call frame_alloc
    jc .Lreturn
    push esi
    push edi
    ; The entries from KERNEL_BASE up are the kernel's in every space; those below stay empty.
    lea edi, [eax + KERNEL_BASE / TABLE_SPAN * PTE_SIZE]
    mov esi, kernel_directory + KERNEL_BASE / TABLE_SPAN * PTE_SIZE
    mov ecx, PTE_COUNT - KERNEL_BASE / TABLE_SPAN
    rep movsd
    pop edi
    pop esi
    clc
.Lreturn:
    ret

; space_map: makes sure that there is a page at an address of a program.
;   in    EAX = page directory, EDX = address below KERNEL_BASE, ECX = PTE_U or PTE_U | PTE_W
;   out   EAX = the page's frame in the window: new and zero, or the one that was there, with the rights added
;         CF set: out of memory
.global space_map
space_map:
    push ebx
    push esi
    push edi
    mov esi, edx
    mov edi, ecx

    ; The page table: there already, or a new one.
    shr edx, TABLE_SHIFT
    lea ebx, [eax + edx * PTE_SIZE]
    mov eax, [ebx]
    test eax, PTE_P
    jnz .Ltable
    call frame_alloc
    jc .Lreturn
    sub eax, KERNEL_BASE
    or eax, PTE_P | PTE_W | PTE_U       ; rights are the page table's to restrict
    mov [ebx], eax
    ; The page: there already, or a new one. Its rights are what anybody has asked for.
.Ltable:
    and eax, PTE_FRAME
    shr esi, PAGE_SHIFT
    and esi, PTE_COUNT - 1
    lea ebx, [eax + esi * PTE_SIZE + KERNEL_BASE]
    mov eax, [ebx]
    test eax, PTE_P
    jnz .Lpage
    call frame_alloc
    jc .Lreturn
    sub eax, KERNEL_BASE
    or eax, PTE_P
.Lpage:
    or eax, edi
    mov [ebx], eax
    and eax, PTE_FRAME
    add eax, KERNEL_BASE                ; cannot carry: CF is clear
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; space_free: gives back a directory and everything that is mapped below KERNEL_BASE.
;   in    EAX = page directory, not the one in CR3
.global space_free
space_free:
    push ebx
    push esi
    push edi
    push ebp
    mov ebx, eax
    xor esi, esi                        ; number of the directory entry
.Ltable:
    mov ebp, [ebx + esi * PTE_SIZE]
    test ebp, PTE_P
    jz .Lnext_table
    and ebp, PTE_FRAME
    add ebp, KERNEL_BASE
    xor edi, edi                        ; number of the table entry
.Lpage:
    mov eax, [ebp + edi * PTE_SIZE]
    test eax, PTE_P
    jz .Lnext_page
    and eax, PTE_FRAME
    add eax, KERNEL_BASE
    call frame_free
.Lnext_page:
    inc edi
    cmp edi, PTE_COUNT
    jb .Lpage
    mov eax, ebp
    call frame_free
.Lnext_table:
    inc esi
    cmp esi, KERNEL_BASE / TABLE_SPAN
    jb .Ltable
    mov eax, ebx
    call frame_free
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; space_check: may the running program read this memory?
;   in    EAX = address, EDX = length in bytes, both straight from the program
;   out   CF set: no, at least one byte is not the program's
;
; Below KERNEL_BASE all that is present belongs to the program, so presence is the whole question.
.global space_check
space_check:
    push ebx
    push esi
    test edx, edx
    jz .Lyes
    add edx, eax                        ; the end
    jc .Lno
    cmp edx, KERNEL_BASE
    ja .Lno

    ; Page by page, as the processor would look: directory, table.
    and eax, PAGE_MASK
    mov ebx, cr3
.Lpage:
    mov ecx, eax
    shr ecx, TABLE_SHIFT
    mov esi, [ebx + ecx * PTE_SIZE + KERNEL_BASE]
    test esi, PTE_P
    jz .Lno
    and esi, PTE_FRAME
    mov ecx, eax
    shr ecx, PAGE_SHIFT
    and ecx, PTE_COUNT - 1
    test dword ptr [esi + ecx * PTE_SIZE + KERNEL_BASE], PTE_P
    jz .Lno
    add eax, PAGE_SIZE
    cmp eax, edx
    jb .Lpage
.Lyes:
    clc
    jmp .Lreturn
.Lno:
    stc
.Lreturn:
    pop esi
    pop ebx
    ret
