; The root task's own memory: what it takes, it keeps.
;
; Owns the memory for programs, which the root task sees one to one: a first touch brings the page. It is handed out
; from the bottom; what the root task lends to others is for it to remember.

.include "lib/micro/user.inc"

.text

; memory_take: memory of zeros, on a page boundary.
;   in    EAX = bytes, more than 0
;   out   EAX = address; CF set: there is not so much
.global memory_take
memory_take:
    add eax, PAGE_SIZE - 1
    jc .Lreturn
    and eax, PAGE_MASK
    mov edx, [memory_next]
    test edx, edx
    jnz .Ltake
    mov edx, [KIP_BASE + KIP_MEMORY]
.Ltake:
    add eax, edx
    jc .Lreturn
    cmp [KIP_BASE + KIP_MEMORY_END], eax
    jb .Lreturn
    mov [memory_next], eax
    push edi
    mov ecx, eax
    mov edi, edx
    sub ecx, edx
    shr ecx, 2
    xor eax, eax
    rep stosd
    mov eax, edx
    pop edi
    clc
.Lreturn:
    ret

; memory_touch: brings pages in, all at once. Who has touched everything that it will use needs no more of the kernel's
; memory later, whatever becomes of that.
;   in    EAX = first address, EDX = first address behind
.global memory_touch
memory_touch:
    cmp eax, edx
    jae .Lreturn
    test byte ptr [eax], 0
    add eax, PAGE_SIZE
    jmp memory_touch
.Lreturn:
    ret

.bss

.align 4
memory_next:                    ; the lowest address that is left; 0 before the first call
    .space 4
