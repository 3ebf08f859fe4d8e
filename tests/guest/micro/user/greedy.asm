; What becomes of a program that takes all memory, and of the memory? Its neighbour (modest.asm) needs some, too.

.include "test.inc"

.text

; main: asks for more than there is, and touches it, page by page.
.global main
main:
    mov eax, 0x10000
    call program_memory
.Ltouch:
    mov byte ptr [eax], 1
    add eax, PAGE_SIZE
    jmp .Ltouch
