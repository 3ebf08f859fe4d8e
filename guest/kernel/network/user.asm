; What programs say of their memory.

.include "kernel/kernel.inc"

.text

; user_memory: may the running program use this memory?
;   in    EAX = address, EDX = length, not 0, both straight from the program; ECX = 1: write, 0: read
;   out   CF set: no, at least one byte is not the program's. EAX is kept: in the program's space it is where it is
;
; A page of a program never goes away and never loses a right.
.global user_memory
user_memory:
    push ebx
    push esi
    push edi
    push eax
    add edx, eax                        ; the end
    jc .Lno
    cmp edx, KERNEL_BASE
    ja .Lno
    lea edi, [ecx * PTE_W + PTE_P + PTE_U]      ; what each page must have

    ; Page by page, as the processor would look: directory, table.
    and eax, PAGE_MASK
    CURRENT ebx
    mov ebx, [ebx + TCB_SPACE]          ; to read CR3 takes longer
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
    mov ecx, [esi + ecx * PTE_SIZE + KERNEL_BASE]
    and ecx, edi
    cmp ecx, edi
    jne .Lno
    add eax, PAGE_SIZE
    cmp eax, edx
    jb .Lmore                           ; most often it is one page, and processors guess so of a jump forwards
.Lreturn:
    pop eax
    pop edi
    pop esi
    pop ebx
    ret
.Lmore:
    jmp .Lpage
.Lno:
    stc
    jmp .Lreturn
