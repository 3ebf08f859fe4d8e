; What becomes of a program that takes the kernel's memory, by pages so far apart that each needs a page table?

.include "test.inc"

.text

; main: asks for all addresses that there are, and touches a page of each span.
.global main
main:
    mov eax, (ARGUMENTS - HEAP_BASE) / PAGE_SIZE
    call program_memory
.Ltouch:
    mov byte ptr [eax], 1
    add eax, TABLE_SPAN
    cmp eax, ARGUMENTS
    jb .Ltouch
    SAY "wrong: there was enough\n"
    xor eax, eax
    ret
