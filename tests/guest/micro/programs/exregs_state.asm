; ExchangeRegisters reads and sets stack pointer, instruction pointer and flags; what a program may not set stays.

.include "test.inc"

main:
    MAKE FIRST, first, first_stack
    EXREGS FIRST, 0
    cmp eax, FIRST
    CHECK e
    cmp ecx, EXREG_WAS_RECEIVING
    CHECK e
    cmp esi, KIP_BASE
    CHECK ae                    ; in the routine at KIP_CODE
    cmp edx, first_stack
    CHECK b
    cmp edx, first_stack - 16
    CHECK ae

    ; All three, and its receive ends.
    EXREGS FIRST, EXREG_SP | EXREG_IP | EXREG_FLAGS | EXREG_CANCEL_RECEIVE, second_stack, elsewhere, ~FLAGS_TF
    cmp eax, FIRST
    CHECK e
    call settle
    cmp dword ptr [seen_esp], second_stack
    CHECK e
    cmp dword ptr [seen_flags], (FLAGS_PROGRAM | FLAGS_USER) & ~FLAGS_TF
    CHECK e

    ; Of oneself: it takes effect at once, and the results are what was before.
    mov ebp, esp
    EXREGS ROOT, EXREG_IP, 0, .Lhere
    ud2
.Lhere:
    cmp eax, ROOT
    CHECK e
    cmp edx, ebp
    CHECK e
    test ecx, ecx
    CHECK z

    ; What makes no sense, and who is not there.
    EXREGS FIRST, 1 << 31
    test eax, eax
    CHECK z
    ERROR CALL_PARAMETER
    EXREGS FIRST, EXREG_TOKEN | EXREG_SP
    test eax, eax
    CHECK z
    ERROR CALL_PARAMETER
    EXREGS SECOND, 0
    test eax, eax
    CHECK z
    ERROR CALL_THREAD
    EXREGS QUIET, 0
    test eax, eax
    CHECK z
    ERROR CALL_THREAD
    EXREGS NIL_THREAD, 0
    test eax, eax
    CHECK z
    ret

first:
    IPC ROOT, ROOT
    ud2

elsewhere:
    mov [seen_esp], esp
    pushfd
    pop dword ptr [seen_flags]
    IPC NIL_THREAD, QUIET
    ud2

.bss

seen_esp:
    .space 4
seen_flags:
    .space 4
