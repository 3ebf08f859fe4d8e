; Areas: a stack with the thread's UT at its top, in pages of its own.
;
;     base + pages * PAGE_SIZE ->  +----------------+
;                                  | UT             |
;                           UT ->  +----------------+
;                                  | stack, growing |
;                                  | down           |
;                        base  ->  +----------------+
;
; Owns the areas that are free. Memory is never given back to the kernel; the area that became free last is taken first,
; since the caches know it best. Whoever calls holds the lock.

.include "lib/threads/threads.inc"

CHUNK = 16                      ; pages that are asked for at once, for areas of one page

.text

; area_take: an area for a thread.
;   in    EAX = pages
;   out   EAX = its UT: UT_PAGES is set, whatever says how the thread stands is 0; or 0: out of memory
.global area_take
area_take:
    mov ecx, area_free - UT_NEXT            ; as if the head were the link of a UT
.Lnext:
    mov edx, [ecx + UT_NEXT]
    test edx, edx
    jz area_new
    cmp [edx + UT_PAGES], eax
    je .Lfound
    mov ecx, edx
    jmp .Lnext
.Lfound:
    mov eax, [edx + UT_NEXT]
    mov [ecx + UT_NEXT], eax
    xor ecx, ecx
    mov [edx + UT_ACTIVATION], ecx
    mov [edx + UT_JOINER], ecx
    mov [edx + UT_DONE], ecx
    mov [edx + UT_DETACHED], ecx
    mov [edx + UT_CANCEL], ecx
    mov [edx + UT_KEPT_OFF], ecx
    mov eax, edx
    ret

; area_new: an area that there has not been before.
;   in    EAX = pages
;   out   EAX = its UT, all zero but UT_PAGES; or 0
area_new:
    push ebx
    mov ebx, eax
    cmp eax, 1
    jne .Lask
    cmp dword ptr [area_left], 0
    jne .Lcut
    mov eax, CHUNK
    call sys_memory
    jc .Lsingle
    mov [area_next], eax
    mov dword ptr [area_left], CHUNK
.Lcut:
    mov eax, [area_next]
    add dword ptr [area_next], PAGE_SIZE
    dec dword ptr [area_left]
    jmp .Lmake
.Lsingle:
    mov eax, ebx
.Lask:
    call sys_memory
    jc .Lmemory
.Lmake:
    mov edx, ebx
    shl edx, PAGE_SHIFT
    lea eax, [eax + edx - UT_SIZE]
    mov [eax + UT_PAGES], ebx
    pop ebx
    ret
.Lmemory:
    xor eax, eax
    pop ebx
    ret

; area_give: an area is free.
;   in    EAX = its UT; the main thread's is no area, and nobody will ever ask for one of its size
;   out   EAX, ECX kept
.global area_give
area_give:
    mov edx, [area_free]
    mov [eax + UT_NEXT], edx
    mov dword ptr [eax + UT_LIVE], 0
    mov [area_free], eax
    ret

.bss

.align 4
area_free:                      ; the first that is free, or 0
    .space 4
area_next:                      ; pages for areas that there have not been: the next,
    .space 4
area_left:                      ;   and how many
    .space 4
