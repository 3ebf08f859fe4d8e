; The root task writes a line without a library, and ends the machine with the low byte of what it found in EAX.

.text

; _start: the root task's first thread, which has no stack.
.global _start
_start:
    mov ebp, eax
    mov ebx, text
    mov esi, text_end - text
.Lwrite:
    mov eax, KDB_WRITE
    mov ecx, esi
    int VECTOR_SYSCALL
    add ebx, eax
    sub esi, eax
    jnz .Lwrite
    mov eax, KDB_EXIT
    mov ebx, ebp
    int VECTOR_SYSCALL

.data

text:
    .ascii "hello from the root task\n"
text_end:
