; Does an IPC bring back the registers that it should, on the short way and on the long one?

.include "ipc_gates.inc"

; TRY way, words
.macro TRY way, words
    mov [stack_pointer], esp
    mov ebp, 0x12345678
    CALL \way, \words
    ANSWERED \words
    cmp esp, [stack_pointer]
    CHECK e
.endm

; TRY_STUB words: EBP, too.
.macro TRY_STUB words
    TRY stub, \words
    cmp ebp, 0x12345678
    CHECK e
.endm

main:
    MAKE FIRST, server, first_stack
    .irp words, 0, 1, 2, 3, 63, 5 << LABEL_SHIFT | 2
    TRY int, \words
    TRY_STUB \words
    .endr
    UNLESS_SYSENTER .Llong
    .irp words, 0, 3
    TRY sysenter, \words
    cmp ebp, 0x12345678
    CHECK e
    .endr

    ; The long way: an error, and a timeout.
.Llong:
    mov ebp, 0x12345678
    mov [stack_pointer], esp
    IPC ROOT, NIL_THREAD, NEVER, 2, 3, 4
    IPC_FAILS IPC_NO_PARTNER
    cmp ebx, 3
    CHECK e
    cmp edi, 4
    CHECK e
    cmp ebp, 0x12345678
    CHECK e
    IPC NIL_THREAD, FIRST, ZERO, 0, 3, 4
    IPC_FAILS IPC_TIMEOUT | IPC_RECEIVE_PHASE
    cmp ebp, 0x12345678
    CHECK e
    cmp esp, [stack_pointer]
    CHECK e
    ret

.bss

.align 4
stack_pointer:
    .space 4
