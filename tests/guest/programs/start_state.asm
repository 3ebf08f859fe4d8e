; Does a program start as the ABI says?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    push eax
    lea eax, [ebx]
    sub eax, USER_ARGUMENTS
    or eax, ecx
    or eax, edx
    or eax, esi
    or eax, edi
    or eax, ebp
    EXPECT 0, "registers as documented\n"
    lea eax, [esp + PTE_SIZE]   ; the pushed word
    EXPECT USER_ARGUMENTS, "stack as documented\n"
    mov eax, [zeros]
    EXPECT 0, "bss is zero\n"
    EXIT 0

.bss
zeros:
    .space 4
