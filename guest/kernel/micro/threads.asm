; Threads: control blocks and the table that finds them.
;
; Owns thread_table, and the memory of KTCBs: 16 to a frame, which stays theirs for ever. control.asm makes threads and
; deletes them; IPC and everybody who takes an identifier from a program comes to thread_find.
;
;     thread_table:  [0] ... [number] ... [MAX_THREADS - 1]      where no thread has the number: nil_ktcb, whose
;                               |                                KTCB_ID is 0, so that no identifier is like it
;                               v
;                         KTCB: KTCB_ID = number << ID_SHIFT | version

.include "micro.inc"

.if MAX_THREADS < 64 || MAX_THREADS > 8192 || (MAX_THREADS & (MAX_THREADS - 1))
.error "MAX_THREADS must be a power of two, 64 to 8192: as many UTCBs find room in an address space"
.endif
.assert UTCB_BASE + MAX_THREADS * UTCB_AREA <= UTCB_LIMIT, "UTCBs end at UTCB_LIMIT"
.assert KTCB_SIZE == 256, "a frame holds a whole number of KTCBs, each in cache lines of its own"
.assert KTCB_SS + 4 == KTCB_TOP, "the frame ends where ESP0 points"

.text

; threads_init: there are no threads.
.global threads_init
threads_init:
    push edi
    mov eax, nil_ktcb
    mov edi, thread_table
    mov ecx, MAX_THREADS
    rep stosd
    pop edi
    ret

; thread_find: the thread that has an identifier, if it takes part in IPC.
;   in    EAX = identifier, straight from a program
;   out   EAX = KTCB; CF set: no such thread, or it has no pager yet
.global thread_find
thread_find:
    call thread_identify
    jc .Lreturn
    cmp dword ptr [eax + KTCB_STATE], IS_DEAD
    je .Ldead
.Lreturn:
    ret
    ; An interrupt thread is there all the same: it only has nothing to say.
.Ldead:
    cmp dword ptr [eax + KTCB_ID], FIRST_THREAD << ID_SHIFT
    cmc
    ret

; thread_known: the program's thread that has an identifier, even if it has no pager yet.
;   in    EAX = identifier, straight from a program
;   out   EAX = KTCB; CF set: no such thread, or one of the kernel's
.global thread_known
thread_known:
    cmp eax, FIRST_THREAD << ID_SHIFT
    jae thread_identify
    ret

; thread_identify: the thread that has an identifier.
;   in    EAX = identifier
;   out   EAX = KTCB; CF set: no such thread
thread_identify:
    cmp eax, 1                  ; CF if NIL_THREAD, which nil_ktcb would have
    jb .Lreturn
    mov edx, eax
    shr edx, ID_SHIFT
    and edx, MAX_THREADS - 1
    mov edx, [thread_table + edx * 4]
    cmp [edx + KTCB_ID], eax
    mov eax, edx
    jne .Lnone
.Lreturn:
    ret
.Lnone:
    stc
    ret

; thread_new: a control block for a number.
;   in    EAX = number that no thread has
;   out   EAX = KTCB in the table, IS_DEAD, all zero but for what it goes on with; CF set: out of memory
.global thread_new
thread_new:
    push ebx
    mov ebx, eax
    mov eax, [ktcb_list]
    test eax, eax
    jnz .Lfree
    call frame_alloc
    jc .Lreturn
    call ktcb_slab
    mov eax, [ktcb_list]
.Lfree:
    mov edx, [eax + KTCB_NEXT]
    mov [ktcb_list], edx
    mov dword ptr [eax + KTCB_NEXT], 0
    mov dword ptr [eax + KTCB_RESUME], resume_user
    mov [thread_table + ebx * 4], eax
    clc
.Lreturn:
    pop ebx
    ret

; ktcb_slab: more free control blocks.
;   in    EAX = frame, all zero
;   out   ktcb_list, which was empty
ktcb_slab:
    mov [ktcb_list], eax
    mov ecx, PAGE_SIZE / KTCB_SIZE - 1
.Lnext:
    lea edx, [eax + KTCB_SIZE]
    mov [eax + KTCB_NEXT], edx
    mov eax, edx
    dec ecx
    jnz .Lnext
    ret                         ; the last one's KTCB_NEXT is 0

; thread_create: a thread in an address space, with a UTCB there, that would go on in ring 3.
;   in    EAX = identifier, whose number no thread has; EDX = page directory
;   out   EAX = KTCB, IS_DEAD, without a scheduler, that will find the kernel's features in EAX, its UTCB's address in EDI,
;         and zero everywhere else
;         CF set: out of memory; a space in which nobody is has been freed
.global thread_create
thread_create:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    mov eax, edx
    call space_enter
    mov eax, ebx
    shr eax, ID_SHIFT
    call thread_new
    jc .Lleave
    mov [eax + KTCB_ID], ebx
    mov ebx, eax
    mov edx, esi
    call thread_utcb
    jc .Lfree
    mov eax, [kip + KIP_FEATURES]
    mov [ebx + KTCB_EAX], eax
    mov eax, [ebx + KTCB_UTCB_USER]
    mov [ebx + KTCB_EDI], eax
    mov dword ptr [ebx + KTCB_CS], SEL_UCODE
    mov dword ptr [ebx + KTCB_SS], SEL_UDATA
    mov dword ptr [ebx + KTCB_EFLAGS], FLAGS_USER
    mov eax, ebx
    clc
.Lreturn:
    pop esi
    pop ebx
    ret
.Lfree:
    mov eax, ebx
    call thread_free
.Lleave:
    mov eax, esi
    call space_leave
    stc
    jmp .Lreturn

; thread_utcb: a thread gets a UTCB in an address space, and that space.
;   in    EAX = KTCB, EDX = page directory
;   out   the UTCB is zero but for UTCB_ID; CF set: out of memory, nothing has changed
.global thread_utcb
thread_utcb:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov edi, [ebx + KTCB_ID]
    shr edi, ID_SHIFT
    shl edi, UTCB_SHIFT
    add edi, UTCB_BASE
    mov eax, edx
    mov edx, edi
    call space_utcb
    jc .Lreturn
    sub esi, KERNEL_BASE        ; CR3 wants the physical address
    mov [ebx + KTCB_SPACE], esi
    mov [ebx + KTCB_UTCB_USER], edi
    mov [ebx + KTCB_UTCB], eax
    mov edx, eax
    mov edi, eax
    xor eax, eax
    mov ecx, UTCB_AREA / 4
    rep stosd
    mov eax, [ebx + KTCB_ID]
    mov [edx + UTCB_ID], eax
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; thread_free: gives a control block back.
;   in    EAX = KTCB in no queue, in no space, and in nobody's fields
.global thread_free
thread_free:
    push edi
    mov edx, [eax + KTCB_ID]
    shr edx, ID_SHIFT
    mov dword ptr [thread_table + edx * 4], nil_ktcb
    mov edx, eax
    mov edi, eax
    xor eax, eax
    mov ecx, KTCB_SIZE / 4
    rep stosd
    mov eax, [ktcb_list]
    mov [edx + KTCB_NEXT], eax
    mov [ktcb_list], edx
    pop edi
    ret

.bss

.global thread_table, nil_ktcb, nil_utcb

.align KTCB_SIZE
nil_ktcb:                       ; stands for a thread that does not exist: IS_DEAD, and waits for nobody
    .space KTCB_SIZE
nil_utcb:                       ; in place of a UTCB, for threads of the kernel
    .space UTCB_AREA
thread_table:                   ; KTCB of each number
    .space MAX_THREADS * 4
ktcb_list:                      ; the first free control block, linked by KTCB_NEXT, or 0
    .space 4
