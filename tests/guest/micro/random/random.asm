; Random numbers, and what is random in a program's dealings with the kernel.
;
; Each thread has its own sequence: the seed lies in UTCB_HANDLE. Every routine keeps all registers but EAX.

.include "random.inc"

.text

; random: the next number.
;   out   EAX
.global random
random:
    push ecx
    UTCB ecx
    imul eax, [ecx + UTCB_HANDLE], 1664525
    add eax, 1013904223
    mov [ecx + UTCB_HANDLE], eax
    mov ecx, eax
    shr ecx, 15                 ; the low bits of such a sequence are poor: mix in better ones
    xor eax, ecx
    pop ecx
    ret

; below: a number below another.
;   in    EAX = n > 0
;   out   EAX, 0 to n - 1
.global below
below:
    push edx
    push eax
    call random
    mul dword ptr [esp]
    mov eax, edx
    add esp, 4
    pop edx
    ret

; index_of_me: which of the watchdog's threads this is.
;   out   EAX, 0 to THREADS - 1; that of some thread, for a stray
.global index_of_me
index_of_me:
    UTCB eax
    mov eax, [eax + UTCB_ID]
    shr eax, ID_SHIFT
    sub eax, WITNESS
    and eax, THREADS - 1
    ret

; group_of: in which space this thread lives.
;   out   EAX, 0 for the root task's
.global group_of
group_of:
    call index_of_me
    movzx eax, byte ptr [groups + eax]
    ret

; any_id: an identifier: mostly of a thread that lives, or nearly.
;   out   EAX
.global any_id
any_id:
    call random
    push ecx
    mov ecx, eax
    shr ecx, 16
    and ecx, THREADS - 1
    and eax, 15
    jmp dword ptr [id_choices + eax * 4]
id_thread:
    mov eax, [ids + ecx * 4]
    pop ecx
    ret
id_caller:                       ; as `thread`, with no witness among them
    cmp ecx, CALLER
    jae id_thread
    pop ecx
    jmp caller_id
id_older:                        ; one that has died, if it ever lived
    mov eax, [ids + ecx * 4]
    dec eax
    pop ecx
    ret
id_newer:
    mov eax, [ids + ecx * 4]
    inc eax
    pop ecx
    ret
id_myself:
    UTCB eax
    mov eax, [eax + UTCB_ID]
    pop ecx
    ret
id_root:
    mov eax, ROOT
    pop ecx
    ret
id_any:
    mov eax, ANY_THREAD
    pop ecx
    ret
id_nil:
    xor eax, eax
    pop ecx
    ret
id_interrupt:                    ; or the idle thread, or none
    lea eax, [ecx + ecx]
    shl eax, ID_SHIFT
    or eax, 1
    pop ecx
    ret
id_stray:
    call random
    and eax, STRAYS - 1
    add eax, WITNESS + THREADS
    shl eax, ID_SHIFT
    or eax, 1
    pop ecx
    ret
id_wild:
    pop ecx
    jmp random

; caller_id: the identifier of one of the callers, alive or not.
;   out   EAX
.global caller_id
caller_id:
    mov eax, THREADS - CALLER
    call below
    mov eax, [ids + CALLER * 4 + eax * 4]
    ret

; peer_id: the identifier of a caller of the same space, often oneself.
;   out   EAX
.global peer_id
peer_id:
    push ecx
    call group_of
    mov ecx, eax
.Lnext:
    mov eax, THREADS - CALLER
    call below
    cmp [groups + CALLER + eax], cl
    jne .Lnext
    mov eax, [ids + CALLER * 4 + eax * 4]
    pop ecx
    ret

; any_address: an address: mostly in scratch memory.
;   out   EAX
.global any_address
any_address:
    push ecx
    call random
    mov ecx, eax
    shr ecx, 8
    and eax, 15
    jmp dword ptr [address_choices + eax * 4]
address_mine:                         ; in the pages of one's own that are no stack
    call index_of_me
    shl eax, SCRATCH_SHIFT
    and ecx, 0x1FFF
    lea eax, [scratch + 0x1000 + eax + ecx]
    pop ecx
    ret
address_somebodys:
    and ecx, SCRATCH_SIZE * THREADS - 1
    lea eax, [scratch + ecx]
    pop ecx
    ret
address_window:
    and ecx, 0x3FFFFF
    lea eax, [WINDOW + ecx]
    pop ecx
    ret
address_memory:                       ; one to one
    and ecx, 0x7FFFF
    mov eax, [KIP_BASE + KIP_MEMORY]
    add eax, ecx
    pop ecx
    ret
address_device:                       ; where the root task has registers of devices; the others come to have memory there
    and ecx, 0x7FFFF
    lea eax, [ROOT_DEVICES + ecx]
    pop ecx
    ret
address_text:
    and ecx, 0xFFF
    lea eax, [random + ecx]
    pop ecx
    ret
address_utcb:
    and ecx, 0x7FFF
    lea eax, [UTCB_BASE + FIRST_THREAD * UTCB_AREA + ecx]
    pop ecx
    ret
address_edge:                         ; around the end of programs' memory
    and ecx, 0x1FFF
    lea eax, [UTCB_BASE - 0x1000 + ecx]
    pop ecx
    ret
address_anything:
    pop ecx
    jmp random

; any_page: a flexpage.
;   out   EAX; in the root task's space of scratch memory, of the window or of one-to-one memory
.global any_page
any_page:
    push ecx
    push edx
    IN_ROOT .Lcautious
    call random
    test eax, 0xF0000
    jz .Lwild_page
.Lcautious:
    call random                 ; which region
    test eax, 0x100000
    jz .Lmine
    mov edx, scratch
    test eax, 1
    jz .Lregion
    mov edx, WINDOW
    test eax, 2
    jz .Lregion
    mov edx, [KIP_BASE + KIP_MEMORY]
    add edx, 0x3FFF
    and edx, ~0x3FFF            ; 16 KiB is the largest below
    jmp .Lregion
.Lmine:                         ; one's own scratch memory
    mov edx, eax
    call index_of_me
    shl eax, SCRATCH_SHIFT
    add eax, scratch
    xchg eax, edx
    mov ecx, eax
    shr eax, 8
    and eax, 0x3000
    jmp .Lplace
.Lregion:
    mov ecx, eax
    shr eax, 8
    and eax, 0x3F000            ; in its first 256 KiB
.Lplace:
    add edx, eax
    shr ecx, 4
    and ecx, 3
    jnz .Lsize
    mov ecx, 2                  ; no 32 KiB: the regions do not begin at a multiple of more
.Lsize:
    add ecx, 11                 ; 4, 8 or 16 KiB
    xor eax, eax
    bts eax, ecx
    neg eax
    and edx, eax
    shl ecx, FPAGE_SHIFT
    or edx, ecx
    call random
    and eax, FPAGE_RIGHTS
    or eax, edx
    jmp .Lreturn
.Lwild_page:
    call random
    and eax, 0xFFFFFC0F
    mov ecx, eax
    call random
    and eax, 31
    shl eax, FPAGE_SHIFT
    or eax, ecx
    test eax, 0x80000000
    jz .Lreturn
    and eax, FPAGE_RIGHTS
    or eax, FPAGE_COMPLETE
.Lreturn:
    pop edx
    pop ecx
    ret

; any_timeouts: for ECX of an IPC.
;   out   EAX
.global any_timeouts
any_timeouts:
    push edx
    call any_timeout
    shl eax, TIMEOUT_SEND_SHIFT
    mov edx, eax
    call any_timeout
    or eax, edx
    pop edx
    ret

any_timeout:
    call random
    test eax, 15
    jz .Lanything
    test eax, 15 << 4
    jz .Lnever
    test eax, 1 << 8
    jz .Lzero
    shr eax, 16
    and eax, 0xFF               ; up to 1 ms
    or eax, 2 << TIMEOUT_EXPONENT_SHIFT
    ret
.Lzero:
    mov eax, TIMEOUT_ZERO
    ret
.Lnever:
    mov eax, TIMEOUT_NEVER
    ret
.Lanything:
    shr eax, 16
    and eax, ~(0x10 << TIMEOUT_EXPONENT_SHIFT)      ; up to 33 s; or a point in time
    ret

; any_tag: a message tag.
;   out   EAX
.global any_tag
any_tag:
    push ecx
    call random
    mov ecx, eax
    and ecx, TAG_GRANT | 3      ; mostly few words
    test eax, 0x30
    jnz .Ltyped
    mov ecx, eax
    and ecx, TAG_GRANT | TAG_UNTYPED
.Ltyped:
    test eax, 0x300
    jnz .Llabel
    call random
    and eax, 7 << TAG_TYPED_SHIFT
    or ecx, eax
    CHANCE 4, .Lwild
.Llabel:
    call random
    and eax, 0xFFFF0000
    test eax, 0xF0000
    jnz .Lreturn
    or eax, 0xFF000000          ; as if from the kernel
.Lreturn:
    or eax, ecx
    pop ecx
    ret
.Lwild:
    pop ecx
    jmp random

; any_message: fills the message registers that a tag speaks of, as far as they are typed, and the buffer registers.
;   in    EAX = tag
;   out   EAX kept; MR1 and MR2 stand in the UTCB
.global any_message
any_message:
    push eax
    push ebx
    push ecx
    push edi
    UTCB edi
    mov ebx, eax
    and ebx, TAG_UNTYPED        ; the message register before the first item
    and eax, TAG_TYPED
    shr eax, TAG_TYPED_SHIFT
    mov ecx, eax
    inc ecx
    shr ecx, 1                  ; how many items, a half one counted
    jz .Lbuffers
.Litem:
    lea eax, [ebx + 2]
    cmp eax, MR_COUNT
    jae .Lbuffers
    call any_item
    mov [edi + UTCB_MR1 + ebx * 4], eax
    test eax, ITEM_MAP
    jnz .Lpage
    call any_address
    jmp .Lsecond
.Lpage:
    call any_page
.Lsecond:
    mov [edi + UTCB_MR2 + ebx * 4], eax
    add ebx, 2
    loop .Litem
.Lbuffers:
    call any_window
    mov [edi + UTCB_BR0], eax
    call any_buffers
    pop edi
    pop ecx
    pop ebx
    pop eax
    ret

; any_buffers: fills three buffers.
;   in    EDI = UTCB
;   out   EBX destroyed
.global any_buffers
any_buffers:
    xor ebx, ebx
.Lbuffer:
    call any_item
    test eax, 1 << ITEM_SHIFT
    jz .Lkind                   ; perhaps no string: what does the kernel make of it?
    and eax, ~ITEM_KIND
.Lkind:
    mov [edi + UTCB_BR1 + ebx * 8], eax
    call buffer_address
    mov [edi + UTCB_BR1 + 4 + ebx * 8], eax
    inc ebx
    cmp ebx, 3
    jb .Lbuffer
    ret

; any_item: the first word of a typed item or a buffer. In the root task's space nothing is granted, and strings are short.
any_item:
    push ecx
    call random
    mov ecx, eax
    test eax, 0x1F
    jz .Lkind                   ; once in a while all of it is random
    shr eax, 5
    and ecx, 0x7FF << ITEM_SHIFT | ITEM_MORE
    test eax, 1
    jnz .Lkind                  ; a string
    or ecx, ITEM_MAP
    test eax, 2
    jnz .Lkind
    or ecx, ITEM_GRANT
.Lkind:
    IN_ROOT .Lcautious
    mov eax, ecx
    pop ecx
    ret
.Lcautious:
    mov eax, ecx
    and eax, 0x7FF << ITEM_SHIFT | ITEM_KIND | ITEM_MORE
    test eax, ITEM_MAP
    jz .Lreturn
    and eax, ~(ITEM_GRANT ^ ITEM_MAP)
.Lreturn:
    pop ecx
    ret

; any_window: an acceptor. In the root task's space maps go to the window alone.
any_window:
    push ecx
    call random
    mov ecx, eax
    and ecx, ACCEPT_STRINGS
    test eax, 0xC00
    jz .Lreturn                 ; no maps
    IN_ROOT .Lcautious
    call any_page
    and eax, ~FPAGE_RIGHTS
    or ecx, eax
    CHANCE 2, .Lreturn
    and ecx, ACCEPT_STRINGS
    or ecx, FPAGE_COMPLETE
.Lreturn:
    mov eax, ecx
    pop ecx
    ret
.Lcautious:
    or ecx, WINDOW | 22 << FPAGE_SHIFT
    jmp .Lreturn

; buffer_address: where a string may go. In the root task's space that is one's own scratch memory.
buffer_address:
    IN_ROOT .Lcautious
    jmp any_address
.Lcautious:
    push ecx
    call index_of_me
    shl eax, SCRATCH_SHIFT
    mov ecx, eax
    call random
    and eax, 0x1FFF             ; the longest string of any_item fits behind it
    lea eax, [scratch + 0x1000 + eax + ecx]
    pop ecx
    ret

.rodata

.align 4
id_choices:
    .long id_thread, id_thread, id_caller, id_caller, id_caller, id_caller, id_caller, id_older
    .long id_newer, id_myself, id_root, id_any, id_nil, id_interrupt, id_stray, id_wild
address_choices:
    .long address_mine, address_mine, address_mine, address_mine, address_mine, address_device, address_somebodys, address_somebodys
    .long address_window, address_window, address_memory, address_memory, address_text, address_utcb, address_edge, address_anything
