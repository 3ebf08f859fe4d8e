; Do TF, NT and DF at SYSENTER harm the kernel?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    mov eax, SYS_YIELD
    mov ecx, esp
    mov edx, returned
    push FLAGS_USER | FLAGS_TF | FLAGS_NT | FLAGS_DF
    popfd
    sysenter                    ; the trap comes behind it, in ring 0
returned:
    pushfd
    pop eax
    and eax, FLAGS_TF | FLAGS_NT | FLAGS_DF | FLAGS_IF
    EXPECT FLAGS_IF, "flags clear, interrupts on\n"
    EXIT 0
