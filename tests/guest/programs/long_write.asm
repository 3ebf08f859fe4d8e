; Does WRITE take at most WRITE_MAX bytes?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov ebx, bytes
    mov esi, WRITE_MAX + 44
    mov eax, SYS_WRITE
    int VECTOR_SYSCALL
    EXPECT WRITE_MAX, "\nas many as fit\n"
    EXIT 0

.rodata
bytes:
    .fill WRITE_MAX, 1, '.'
    .fill 44, 1, '#'
