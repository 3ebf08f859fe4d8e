; Makes the system calls that the test puts into memory, one after the other, and what else a program does with what it
; shares with the kernel.

PAGE = 4096

.text

; _start: the program. Commands: a system call; with bit 31 set, a fast User-ECall.
.global _start
_start:
    mov eax, [command]
    mov ebx, [command + 4]
    mov esi, [command + 8]
    mov edi, [command + 12]
    test eax, eax
    js fast
    int VECTOR_SYSCALL
    jmp did
fast:
    int VECTOR_ECALL
did:
    mov [result], eax
idle:                           ; here the test stops it
    jmp _start

.bss

.align PAGE
area:                           ; whatever the test likes to have in memory
    .space 4 * PAGE
command:
    .space 16
result:
    .space 4
