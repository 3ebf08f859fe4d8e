; The numbers of threads: index and generation, so that the number of a thread that has ended is not soon another's.
;
; Owns the table from numbers to threads. It grows by a frame when all its entries are used, and goes when no thread is
; left. thread.asm gives and takes numbers; the system calls that name a thread look it up.
;
;     number:   | generation | index |
;                              |  |
;     number_frames[index / NUMBER_ENTRIES] -> NUMBER[index % NUMBER_ENTRIES ^ NUMBER_ENTRIES / 4] -> TCB

.include "activations.inc"

NUMBER_FRAMES = (NUMBER_INDEX + 1) / NUMBER_ENTRIES     ; frames of the table at most

.assert NUMBER_ENTRIES * NUMBER_SIZE == PAGE_SIZE, "the entries fill a frame"

.text

; number_entry: where an index stands in the table.
;   in    EAX = index, whose frame is there
;   out   EDX = NUMBER; ECX destroyed, all others kept
number_entry:
    mov edx, eax
    shr edx, NUMBER_SHIFT
    mov ecx, eax
    and ecx, NUMBER_ENTRIES - 1
    xor ecx, NUMBER_ENTRIES / 4 ; not where the frames of threads begin: caches hold few lines of the same place
    mov edx, [number_frames + edx * 4]
    lea edx, [edx + ecx * NUMBER_SIZE]
    ret

; number_new: gives a thread a number.
;   in    EAX = TCB
;   out   EAX kept, TCB_NUMBER; CF set: out of memory
.global number_new
number_new:
    push ebx
    mov ebx, eax

    ; An index that has been used and is free, or else the lowest that never was.
    mov eax, [number_first]
    test eax, eax
    jz .Lfresh
    call number_entry
    mov eax, [edx + NUMBER_FREE]
    mov ecx, eax
    and ecx, NUMBER_INDEX       ; the next free one's stands there in place of its own
    xor eax, ecx
    or eax, [number_first]
    mov [number_first], ecx
    jmp .Lgiven
.Lfresh:
    mov eax, [number_next]
    cmp eax, NUMBER_INDEX
    ja .Lfailed
    test eax, NUMBER_ENTRIES - 1
    jz .Lgrow
.Lgrown:
    call number_entry
    inc dword ptr [number_next]
.Lgiven:
    mov [edx + NUMBER_THREAD], ebx
    mov [ebx + TCB_NUMBER], eax
    inc dword ptr [number_count]
    clc
    jmp .Lreturn
.Lfailed:
    stc
.Lreturn:
    mov eax, ebx                ; CF stays
    pop ebx
    ret

    ; The index is the first of a frame. Index 0 is nobody's.
.Lgrow:
    call frame_alloc
    jc .Lreturn
    mov edx, eax
    mov eax, [number_next]
    mov ecx, eax
    shr ecx, NUMBER_SHIFT
    mov [number_frames + ecx * 4], edx
    test eax, eax
    jnz .Lgrown
    inc eax
    mov [number_next], eax
    jmp .Lgrown

; number_free: takes a thread's number back; with the last one, the table.
;   in    EAX = TCB
.global number_free
number_free:
    mov eax, [eax + TCB_NUMBER]
    push eax
    and eax, NUMBER_INDEX
    call number_entry
    mov ecx, [number_first]
    mov [number_first], eax
    pop eax
    add eax, NUMBER_NEXT        ; the next generation
    and eax, 0x7FFFFFFF & ~NUMBER_INDEX
    or eax, ecx
    mov [edx + NUMBER_FREE], eax
    mov dword ptr [edx + NUMBER_THREAD], 0
    dec dword ptr [number_count]
    jnz .Lreturn

    ; Nobody has one any more.
    mov dword ptr [number_first], 0
    push ebx
    mov ebx, [number_next]
    add ebx, NUMBER_ENTRIES - 1
    shr ebx, NUMBER_SHIFT
    mov dword ptr [number_next], 0
.Lframe:
    dec ebx
    js .Lfreed
    mov eax, [number_frames + ebx * 4]
    call frame_free
    jmp .Lframe
.Lfreed:
    pop ebx
.Lreturn:
    ret

; number_find: the thread that a program means.
;   in    EAX = number, whatever it may be
;   out   EAX = TCB of a thread of the running process; CF set: there is none; ECX, EDX destroyed
.global number_find
number_find:
    push eax
    and eax, NUMBER_INDEX
    cmp eax, [number_next]
    jae .Lnone
    call number_entry
    mov eax, [edx + NUMBER_THREAD]
    test eax, eax
    jz .Lnone
    mov ecx, [eax + TCB_NUMBER]
    cmp ecx, [esp]
    jne .Lnone
    CURRENT_PROCESS edx
    cmp [eax + ACT_PROCESS], edx
    jne .Lnone
    pop edx                     ; CF is clear
    ret
.Lnone:
    pop eax
    stc
    ret

.bss

.align 4
number_next:                    ; the lowest index that has never been used; 0: there is no table yet
    .space 4
number_first:                   ; the index that was freed last, or 0; the others follow by NUMBER_FREE
    .space 4
number_count:                   ; numbers that threads have
    .space 4
number_frames:                  ; the table's frames; those that are there come first
    .space NUMBER_FRAMES * 4
