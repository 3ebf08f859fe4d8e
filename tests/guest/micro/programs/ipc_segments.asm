; Does an IPC work whatever a program has loaded into its segment registers?

.include "ipc_gates.inc"

; TRY way, selector: with that in DS, in ES, and in both.
.macro TRY way, selector
    .irp words, 0, 2, 3, 63
    mov eax, \selector
    mov ds, eax
    CALL \way, \words
    ANSWERED \words
    mov eax, \selector
    mov es, eax
    CALL \way, \words
    ANSWERED \words
    mov eax, \selector
    mov ds, eax
    mov es, eax
    CALL \way, \words
    ANSWERED \words
    .endr

    ; The long way.
    mov eax, \selector
    mov ds, eax
    mov es, eax
    CALL \way, TAG_TYPED | TAG_UNTYPED
    IPC_FAILS IPC_OVERFLOW
.endm

main:
    MAKE FIRST, server, first_stack
    TRY int, 0
    TRY int, SEL_UCODE
    TRY stub, 0
    TRY stub, SEL_UCODE
    ; FS and GS are nobody's business.
    xor eax, eax
    mov fs, eax
    mov gs, eax
    TRY stub, 0
    ret
