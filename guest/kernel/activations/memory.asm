; The memory of a program: more of it, and whether an address that it gives is its own.
;
; Owns the heap. Calls that take pointers ask memory_check, and answer ERR_ADDRESS; who has nobody to answer to, because
; it writes to a stack on the way back to the program, ends the process by memory_fault.

.include "activations.inc"

.text

; sys_memory: new pages; see syscall.asm for what a system call may rely on.
;   in    EBX = how many
;   out   EAX = address of the first, ERR_ARGUMENT or ERR_MEMORY; on ERR_MEMORY everything is as before, but that page
;         tables may be there already for the next call
;
; It takes long if it is many, so after each page interrupts may come. No other thread runs meanwhile: what is half there
; is seen by nobody, and may be taken back.
.global sys_memory
sys_memory:
    mov eax, ERR_ARGUMENT
    test ebx, ebx
    jz .Lreturn
    CURRENT_PROCESS ebp
    mov edi, [ebp + PROCESS_HEAP]       ; the page to come
    mov edx, USER_LIMIT
    sub edx, edi
    jb .Lno_memory
    shr edx, PAGE_SHIFT
    cmp ebx, edx
    ja .Lno_memory
    shl ebx, PAGE_SHIFT
    add ebx, edi                        ; the end
    mov esi, [ebp + PROCESS_SPACE]
    add esi, KERNEL_BASE
.Lpage:
    mov eax, esi
    mov edx, edi
    mov ecx, PTE_U | PTE_W
    call space_map
    jc .Lback
    add edi, PAGE_SIZE
    sti
    nop                                 ; STI takes effect behind the next instruction
    cli
    cmp edi, ebx
    jb .Lpage
    mov eax, [ebp + PROCESS_HEAP]
    mov [ebp + PROCESS_HEAP], edi
    push eax
    call sched_point
    pop eax
.Lreturn:
    ret

    ; Out of memory: what has been mapped goes back, the last page first.
.Lback:
    cmp edi, [ebp + PROCESS_HEAP]
    je .Lno_memory
    sub edi, PAGE_SIZE
    mov eax, edi
    call memory_entry
    mov eax, [ecx]
    mov dword ptr [ecx], 0              ; never used, so in no TLB
    and eax, PTE_FRAME
    add eax, KERNEL_BASE
    call frame_free
    jmp .Lback
.Lno_memory:
    mov eax, ERR_MEMORY
    ret

; memory_entry: the page table entry of an address of the running program.
;   in    EAX = address below KERNEL_BASE
;   out   ECX = its address; CF set: there is no page table; EAX, EDX kept
memory_entry:
    push eax
    CURRENT ecx
    mov ecx, [ecx + TCB_SPACE]
    shr eax, TABLE_SHIFT
    mov ecx, [ecx + eax * PTE_SIZE + KERNEL_BASE]
    mov eax, [esp]
    shr eax, PAGE_SHIFT
    and eax, PTE_COUNT - 1
    test ecx, PTE_P
    jz .Lnone
    and ecx, PTE_FRAME
    lea ecx, [ecx + eax * PTE_SIZE + KERNEL_BASE]
    pop eax
    clc
    ret
.Lnone:
    pop eax
    stc
    ret

; memory_check: may the running program use this memory?
;   in    EAX = address, EDX = length in bytes, both straight from the program; ECX = PTE_U: to read, PTE_U | PTE_W: to
;         write
;   out   CF set: no; EAX = the first address that it may not use, EDX = the error code of the page fault that this
;         would be
;
; What memory_check has once allowed stays so: no page of a program goes away or becomes read-only.
.global memory_check
memory_check:
    push ebx
    push esi
    mov esi, ecx
    or esi, PTE_P
    test edx, edx
    jz .Lyes
.Lpage:
    xor ebx, ebx                        ; what the page table says, if there is one
    cmp eax, KERNEL_BASE
    jae .Lkernel
    call memory_entry
    jc .Lno
    mov ebx, [ecx]
    mov ecx, ebx
    and ecx, esi
    cmp ecx, esi
    jne .Lno

    ; As much as is in this page; the next one begins on its boundary.
    mov ecx, eax
    or ecx, PAGE_SIZE - 1
    inc ecx
    sub eax, ecx
    add edx, eax                        ; what is left: length - (ECX - EAX); CF clear if that is below 0
    jnc .Lyes
    mov eax, ecx
    test edx, edx
    jnz .Lpage
.Lyes:
    clc
    jmp .Lreturn
.Lkernel:
    mov ebx, PTE_P                      ; there is something, but not for it
.Lno:
    mov edx, esi
    and edx, PTE_U | PTE_W
    and ebx, PTE_P
    or edx, ebx
    stc
.Lreturn:
    pop esi
    pop ebx
    ret

; memory_fault: ends the running process as a page fault of the program's would.
;   in    EAX = address, EDX = error code
;   out   does not return
.global memory_fault
memory_fault:
    mov cr2, eax                        ; where fault looks
    CURRENT eax
    add eax, USER_FRAME
    mov dword ptr [eax + FRAME_VECTOR], EXC_PF
    mov [eax + FRAME_ERROR], edx
    jmp fault
