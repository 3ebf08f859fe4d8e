; Unmap: takes back pages, or rights, or only the news of who has used them.
;
; Owns the system call. What is taken is taken from everybody who has the page from the caller, at first or second hand,
; and with UNMAP_FLUSH from the caller, too.

.include "micro.inc"

MR_SIZE = 4                     ; bytes of a message register

.text

; sys_unmap: the call L4_UNMAP.
;   in    EBP = KTCB; EBX = UNMAP_ bits | flexpages - 1, which stand from MR0 on
;   out   does not return; in place of its rights, every flexpage says what has been done to the pages since it was last
;         asked for: read and executed, written
.global sys_unmap
sys_unmap:
    mov ebx, [ebp + KTCB_EBX]
    mov esi, [ebp + KTCB_UTCB]
    add esi, UTCB_MR0
    mov edi, ebx
    and edi, UNMAP_COUNT
.Lflexpage:
    mov eax, [esi]
    mov edx, ebx
    call unmap_fpage
    mov [esi], eax
    add esi, MR_SIZE
    dec edi
    jns .Lflexpage
    call page_flush
    jmp resume

; unmap_fpage: unmaps a flexpage of the caller's.
;   in    EBP = KTCB, EAX = flexpage, EDX = UNMAP_ bits
;   out   EAX = flexpage with what has been done in place of the rights
unmap_fpage:
    push ebx
    push esi
    ; The masks for entries: of the others, and of the caller. Without the right to read there is no page.
    mov ecx, -1
    test al, FPAGE_WRITE
    jz .Lread
    mov ecx, ~PTE_W
.Lread:
    test al, FPAGE_READ | FPAGE_EXECUTE
    jz .Lmasks
    xor ecx, ecx
.Lmasks:
    mov [unmap_others], ecx
    test edx, UNMAP_FLUSH
    jnz .Lown
    mov ecx, -1
.Lown:
    mov [unmap_own], ecx

    mov ebx, eax
    and ebx, ~FPAGE_RIGHTS
    call fpage_range
    jc .Lreturn
    mov esi, eax
    add edx, eax
    cmp edx, UTCB_BASE - 1
    jbe .Llast
    mov edx, UTCB_BASE - 1
.Llast:
    mov [unmap_last], edx
.Lpage:
    mov eax, [ebp + KTCB_SPACE]
    add eax, KERNEL_BASE
    mov edx, esi
    mov ecx, [unmap_last]
    call page_next
    jc .Lreturn
    lea esi, [edx + PAGE_SIZE]
    call unmap_page
    or ebx, eax
    jmp .Lpage
.Lreturn:
    mov eax, ebx
    pop esi
    pop ebx
    ret

; unmap_page: unmaps one page of the caller's.
;   in    EAX = page-table entry; unmap_others, unmap_own
;   out   EAX = what has been done to it, as rights
unmap_page:
    push ebx
    push esi
    mov esi, eax
    call node_of
    mov ebx, eax
    mov edx, [unmap_others]
    call node_revoke
    mov eax, ebx
    call node_note
    mov eax, esi
    call page_status
    mov esi, eax
    mov eax, ebx
    mov edx, [unmap_own]
    call node_cut
    mov eax, esi
    pop esi
    pop ebx
    ret

.bss

.align 4
unmap_others:                   ; mask for the entries of those who have pages from the caller
    .space 4
unmap_own:                      ; mask for the caller's entries
    .space 4
unmap_last:                     ; the last address of the flexpage
    .space 4
