; The pager: a program's page fault is answered with the page, if it may have it.
;
;     ARGUMENTS                     a copy of the module's string
;     HEAP_BASE to its heap_end     zeros, or registers of its devices
;     its segments                  a copy of what the file has, zeros behind it

.include "lib/micro/user.inc"

.text

; page_fault: a client's page fault.
;   in    EBP = client, ESI = tag, EBX = address, EDI = EIP
.global page_fault
page_fault:
    mov edx, ebx
    and edx, PAGE_MASK
    mov eax, [ebp + CLIENT_PROGRAM]
    test eax, eax
    jz fault_page                   ; ours has all its pages
    call page_rights
    mov ecx, esi
    shr ecx, LABEL_SHIFT
    sub ecx, LABEL_PAGE_FAULT       ; FAULT_ bits are FPAGE_ rights
    not eax
    test ecx, eax
    jnz fault_page
    not eax
    mov edi, eax

    ; The frame that has the page, or a device, or a frame that gets it.
    mov eax, [ebp + CLIENT_PROGRAM]
    call lease_find
    jnc .Lmap
    mov eax, [ebp + CLIENT_PROGRAM]
    call device_page
    jnc .Lmap
    mov eax, [ebp + CLIENT_PROGRAM]
    call page_new
    jc .Lno_memory
.Lmap:
    or eax, PAGE_SHIFT << FPAGE_SHIFT
    or eax, edi
    and ebx, PAGE_MASK
    or ebx, ITEM_MAP
    mov dword ptr [ebp + CLIENT_TAG], 2 << TAG_TYPED_SHIFT
    mov [ebp + CLIENT_MR1], ebx
    mov [ebp + CLIENT_MR2], eax
    mov eax, ebp
    jmp sched_ready
.Lno_memory:
    mov eax, ebp
    mov edx, text_no_memory
    jmp program_fail

; page_rights: what may a program do with a page?
;   in    EAX = program, EDX = page
;   out   EAX = FPAGE_ rights, 0 if it has no such page; EDX kept
page_rights:
    cmp edx, ARGUMENTS
    je .Ldata
    cmp edx, HEAP_BASE
    jb .Lsegment
    cmp edx, [eax + PROGRAM_HEAP_END]
    jb .Ldata
    xor eax, eax
    ret
.Ldata:
    mov eax, FPAGE_READ | FPAGE_WRITE
    ret
.Lsegment:
    mov eax, [eax + PROGRAM_MODULE]
    jmp elf_rights

; page_new: a frame with what a page begins with.
;   in    EAX = program, EDX = page that it may have
;   out   EAX = frame; CF set: out of memory
page_new:
    push ebx
    push esi
    push edi
    mov ebx, [eax + PROGRAM_MODULE]
    mov esi, edx
    call lease_take
    jc .Lreturn
    mov edi, eax
    cmp esi, ARGUMENTS
    je .Larguments
    cmp esi, HEAP_BASE
    jae .Lfilled
    mov eax, ebx
    mov edx, esi
    mov ecx, edi
    call elf_fill
.Lfilled:
    mov eax, edi
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

    ; The module's string; the page's last byte stays zero.
.Larguments:
    push edi
    mov esi, [ebx + MODULE_STRING]
    mov ecx, PAGE_SIZE - 1
.Lcharacter:
    lodsb
    stosb
    test al, al
    jz .Lcopied
    dec ecx
    jnz .Lcharacter
.Lcopied:
    pop edi
    jmp .Lfilled

.rodata

text_no_memory:
    .asciz "out of memory"
