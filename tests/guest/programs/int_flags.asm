; Do NT and DF at INT 80h harm the kernel, and come back?

.include "test.inc"

.text

; _start: the program.
.global _start
_start:
    push FLAGS_USER | FLAGS_NT | FLAGS_DF
    popfd
    mov eax, SYS_YIELD
    int VECTOR_SYSCALL
    pushfd
    pop eax
    and eax, FLAGS_NT | FLAGS_DF | FLAGS_IF
    EXPECT FLAGS_NT | FLAGS_DF | FLAGS_IF, "flags kept\n"
    EXIT 0
