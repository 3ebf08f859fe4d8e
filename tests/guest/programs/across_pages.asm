; Can WRITE read across the end of a page?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov ebx, text
    mov esi, text_end - text
    mov eax, SYS_WRITE
    int VECTOR_SYSCALL
    EXPECT text_end - text, "one page and the next\n"
    EXIT 0

.rodata
.align PAGE_SIZE
    .space PAGE_SIZE - 8
text:
    .ascii "from one page to the next\n"
text_end:
