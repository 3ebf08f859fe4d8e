; Does SYS_MEMORY give pages of zeros, one behind the other, and refuse what cannot be?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_MEMORY, 3
    mov ebp, eax
    mov edi, eax
    mov ecx, 3 * PAGE_SIZE / 4
    xor eax, eax
    repe scasd
    sete al
    EXPECT 1, "zeros\n"
    mov dword ptr [edi - PTE_SIZE], 1
    CALL_KERNEL SYS_MEMORY, 1
    sub eax, ebp
    EXPECT 3 * PAGE_SIZE, "the next one follows\n"
    mov eax, ebp
    and eax, PAGE_SIZE - 1
    EXPECT 0, "on a page boundary\n"
    CALL_KERNEL SYS_MEMORY, 0
    EXPECT ERR_ARGUMENT, "no page at all\n"
    CALL_KERNEL SYS_MEMORY, -1
    EXPECT ERR_MEMORY, "more than there are addresses\n"
    CALL_KERNEL SYS_MEMORY, 0x100001
    EXPECT ERR_MEMORY, "so many that the length is short again\n"
    CALL_KERNEL SYS_MEMORY, 0xA0000
    EXPECT ERR_MEMORY, "more than there is memory\n"
    CALL_KERNEL SYS_MEMORY, 1
    sub eax, ebp
    EXPECT 4 * PAGE_SIZE, "and nothing has changed\n"
one_page_too_far:
    mov al, [ebp + 5 * PAGE_SIZE]
    SAY "went on\n"
