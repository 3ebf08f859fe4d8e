; A thread that has not begun can move to another space; the one that it leaves goes when it was the last there.

.include "test.inc"

main:
    CONTROL FIRST, FIRST, ROOT, NIL_THREAD
    cmp eax, 1
    CHECK e
    CONTROL SECOND, FIRST, ROOT, NIL_THREAD
    cmp eax, 1
    CHECK e
    ; Without a pager it is nobody's partner.
    IPC FIRST, NIL_THREAD, ZERO
    IPC_FAILS IPC_NO_PARTNER
    IPC NIL_THREAD, FIRST, ZERO
    IPC_FAILS IPC_NO_PARTNER | IPC_RECEIVE_PHASE
    ; Into the root task's space, where it can run.
    CONTROL FIRST, ROOT, NIL_THREAD, ROOT
    cmp eax, 1
    CHECK e
    IPC FIRST, FIRST, NEVER, 2, thread, first_stack
    IPC_GOOD
    cmp ebx, UTCB_BASE + (FIRST_THREAD + 1) * UTCB_AREA
    CHECK e
    CONTROL_FAILS CALL_SPACE, FIRST, SECOND, NIL_THREAD, NIL_THREAD
    CONTROL SECOND, ROOT, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e
    CONTROL SECOND, NIL_THREAD, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e
    ret

thread:
    mov ebx, [KIP_BASE + KIP_UTCB]
    cmp dword ptr [ebx + UTCB_ID], FIRST
    CHECK e
    cmp dword ptr [ebx + UTCB_PAGER], ROOT
    CHECK e
    IPC ROOT, ROOT, NEVER, 1, ebx
    ud2
