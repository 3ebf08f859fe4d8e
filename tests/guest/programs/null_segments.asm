; Does the kernel work whatever is in the segment registers, and give them back?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    xor eax, eax
    mov ds, eax
    mov es, eax
    mov eax, SEL_UDATA
    mov fs, eax
    mov ebx, cs:[pause]         ; long enough for the others to run
    mov eax, SYS_SLEEP
    int VECTOR_SYSCALL
    mov eax, ds
    mov ebx, es
    or eax, ebx
    mov ebx, fs
    lea eax, [eax + ebx]
    EXPECT SEL_UDATA, "segments kept\n"
    EXIT 0

.rodata
pause:
    .long 2
