; The memory of a virtual machine: handed out from the bottom, for good; and the memory of its programs as main sees it.
;
; A program has two pieces: from VT_BASE on what its file wants, and its stack. Each is one piece here, too.

.include "lib/micro/user.inc"

.text

; memory_init: what the resource monitor has left is free.
.global memory_init
memory_init:
    mov eax, [VM_BASE + VMINFO_FREE]
    mov [memory_next], eax
    ret

; memory_take: memory of zeros.
;   in    EAX = bytes, a multiple of PAGE_SIZE
;   out   EAX = address; CF set: there is not so much
.global memory_take
memory_take:
    mov edx, [memory_next]
    add eax, edx
    jc .Lreturn
    mov ecx, [VM_BASE + VMINFO_BYTES]
    add ecx, VM_BASE
    cmp ecx, eax
    jb .Lreturn
    mov [memory_next], eax
    mov eax, edx
.Lreturn:
    ret

; user_page: a page of a program.
;   in    EAX = VT, EDX = page
;   out   EAX = FPAGE_ rights, 0 if there is no such page; ECX = where it is; EDX kept
.global user_page
user_page:
    mov ecx, edx
    sub ecx, VM_STACK_BASE
    cmp ecx, VM_STACK_TOP - VM_STACK_BASE
    jb .Lstack
    mov ecx, edx
    sub ecx, [eax + VT_BASE]
    cmp ecx, [eax + VT_BYTES]
    jae .Lnone
    add ecx, [eax + VT_MEMORY]
    push ecx
    mov eax, [eax + VT_MODULE]
    call elf_rights
    pop ecx
    ret
.Lstack:
    add ecx, [eax + VT_STACK]
    mov eax, FPAGE_READ | FPAGE_WRITE
    ret
.Lnone:
    xor eax, eax
    ret

; user_memory: memory of the program whose call it is, as sockets and others want it.
;   in    EAX = address, EDX = length, ECX = 1 if it will be written, 0 if read
;   out   EAX = where it can be reached; CF set: it is not, or not wholly, the program's
.global user_memory
user_memory:
    push ebx
    push esi
    push edi
    mov ebx, FPAGE_READ
    jecxz .Lrights
    mov ebx, FPAGE_WRITE
.Lrights:
    mov edi, eax
    mov esi, edx
    add esi, eax
    jc .Lreturn
    and eax, PAGE_MASK
    mov edx, eax
    mov eax, [caller]
    call user_page
    lea ecx, [ecx + edi]
    sub ecx, edx                ; where it begins
    push ecx
.Lpage:
    test eax, ebx
    jz .Lbad
    add edx, PAGE_SIZE
    cmp edx, esi
    jae .Lgood                  ; CF is clear
    mov eax, [caller]
    call user_page
    jmp .Lpage
.Lbad:
    stc
.Lgood:
    pop eax
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

.bss

.global caller

.align 4
memory_next:                    ; the lowest address that is left
    .space 4
caller:                         ; VT of the program whose call is being carried out
    .space 4
