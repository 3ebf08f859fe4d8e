; Leases: which frame of memory holds which page of which program.
;
; Owns the table of LEASEs, one for each frame that the root task has, and the list of the free ones among those that
; were out. A program's frames come back when it ends.

.include "lib/micro/user.inc"

.text

; leases_init: nothing is lent. All memory is touched: no program can take from the kernel what we need for it then.
.global leases_init
leases_init:
    mov eax, [KIP_BASE + KIP_MEMORY]
    mov edx, [KIP_BASE + KIP_MEMORY_END]
    call memory_touch
    mov eax, [KIP_BASE + KIP_MEMORY_END]
    sub eax, [KIP_BASE + KIP_MEMORY]
    shr eax, PAGE_SHIFT
    imul eax, LEASE_SIZE
    call memory_take                ; a 500th of all memory
    mov [leases], eax
    ret

; lease_take: a frame of zeros for a page of a program.
;   in    EAX = program, EDX = page
;   out   EAX = frame; CF set: out of memory
.global lease_take
lease_take:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov edi, edx

    ; One that came back, or else a new one.
    mov esi, [leases_free]
    test esi, esi
    jz .Lnew
    mov eax, [esi + LEASE_NEXT]
    mov [leases_free], eax
    push edi
    mov eax, esi
    call lease_frame
    mov edx, eax
    mov edi, eax
    xor eax, eax
    mov ecx, PAGE_SIZE / 4
    rep stosd
    mov eax, edx
    pop edi
    jmp .Llease
.Lnew:
    mov eax, PAGE_SIZE
    call memory_take
    jc .Lreturn
    call lease_of
.Llease:
    call lease_enter
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; leases_take: frames of zeros, in one piece, for pages of a program. What has come back is in single frames.
;   in    EAX = program, EDX = first page, ECX = how many
;   out   EAX = first frame; CF set: there is no such piece
.global leases_take
leases_take:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov edi, edx
    push ecx
    mov eax, ecx
    shl eax, PAGE_SHIFT
    stc
    jz .Lnothing
    call memory_take
.Lnothing:
    pop ecx
    jc .Lreturn
    push eax
    push ecx
    call lease_of
    pop edx
.Lpage:
    call lease_enter
    add edi, PAGE_SIZE
    add esi, LEASE_SIZE
    dec edx
    jnz .Lpage
    pop eax
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; lease_of: the lease of a frame.
;   in    EAX = frame
;   out   ESI = lease; EAX kept
lease_of:
    mov esi, eax
    sub esi, [KIP_BASE + KIP_MEMORY]
    shr esi, PAGE_SHIFT
    imul esi, LEASE_SIZE
    add esi, [leases]
    ret

; lease_enter: a lease becomes the first of its program.
;   in    EBX = program, ESI = lease, EDI = page
;   out   EAX, EDX kept
lease_enter:
    mov [esi + LEASE_PAGE], edi
    mov ecx, [ebx + PROGRAM_LEASES]
    mov [esi + LEASE_NEXT], ecx
    mov [ebx + PROGRAM_LEASES], esi
    ret

; lease_find: the frame of a page.
;   in    EAX = program, EDX = page
;   out   EAX = frame; CF set: the program has not used this page yet
.global lease_find
lease_find:
    mov eax, [eax + PROGRAM_LEASES]
.Llease:
    test eax, eax
    jz .Lnone
    cmp [eax + LEASE_PAGE], edx
    je lease_frame
    mov eax, [eax + LEASE_NEXT]
    jmp .Llease
.Lnone:
    stc
    ret

; lease_frame: the frame that a lease is about.
;   in    EAX = lease
;   out   EAX = frame; CF clear; EDX kept
lease_frame:
    push edx
    sub eax, [leases]
    mov ecx, LEASE_SIZE
    xor edx, edx
    div ecx
    shl eax, PAGE_SHIFT
    add eax, [KIP_BASE + KIP_MEMORY]
    pop edx
    ret

; leases_end: a program's frames come back, from whomever it has passed them on to.
;   in    EAX = program
.global leases_end
leases_end:
    push ebx
    push esi
    mov ebx, eax
.Llease:
    mov esi, [ebx + PROGRAM_LEASES]
    test esi, esi
    jz .Lreturn
    mov eax, esi
    call lease_frame
    or eax, PAGE_SHIFT << FPAGE_SHIFT | FPAGE_RIGHTS
    UTCB edx
    mov [edx + UTCB_MR0], eax
    xor eax, eax                    ; one flexpage
    call unmap
    mov eax, [esi + LEASE_NEXT]
    mov [ebx + PROGRAM_LEASES], eax
    mov eax, [leases_free]
    mov [esi + LEASE_NEXT], eax
    mov [leases_free], esi
    jmp .Llease
.Lreturn:
    pop esi
    pop ebx
    ret

.bss

.align 4
leases:                             ; the table of LEASEs, by frame from KIP_MEMORY on
    .space 4
leases_free:                        ; the first of those that came back, or 0
    .space 4
