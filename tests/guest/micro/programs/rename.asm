; A thread gets another version: by the old one nobody reaches it, and who waited for it hears that it is gone.

.include "test.inc"

main:
    MAKE FIRST, first, first_stack
    MAKE SECOND, second, second_stack
    IPC SECOND, NIL_THREAD
    call settle                 ; now it waits for FIRST
    CONTROL FIRST + 1, FIRST, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e
    IPC FIRST, NIL_THREAD, ZERO
    IPC_FAILS IPC_NO_PARTNER

    call settle
    cmp dword ptr [error], IPC_NO_PARTNER | IPC_RECEIVE_PHASE
    CHECK e

    ; FIRST still waits for the root task, by its own new name, and knows it.
    IPC FIRST + 1, FIRST + 1
    IPC_GOOD
    cmp eax, FIRST + 1
    CHECK e
    cmp ebx, FIRST + 1
    CHECK e
    ; Back to the old one.
    CONTROL FIRST, FIRST + 1, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e
    CONTROL_FAILS CALL_THREAD, FIRST + 1, NIL_THREAD, NIL_THREAD, NIL_THREAD
    CONTROL FIRST, NIL_THREAD, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e
    ret

first:
    IPC ROOT, ROOT
    mov eax, [KIP_BASE + KIP_UTCB]
    mov ebx, [eax + UTCB_ID]
    IPC ROOT, ROOT, NEVER, 1, ebx
    ud2

second:
    IPC ROOT, ROOT
    IPC NIL_THREAD, FIRST
    mov eax, [KIP_BASE + KIP_UTCB]
    mov eax, [eax + UTCB_ERROR]
    mov [error], eax
    IPC NIL_THREAD, QUIET
    ud2

.bss

error:
    .space 4
