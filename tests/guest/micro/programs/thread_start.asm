; A new thread of the root task's space waits for the message that starts it, and finds what the ABI promises.

.include "test.inc"

main:
    CONTROL FIRST, ROOT, ROOT, ROOT
    cmp eax, 1
    CHECK e
    IPC FIRST, FIRST, NEVER, 2, thread, first_stack
    IPC_GOOD
    cmp eax, FIRST
    CHECK e
    cmp ebx, 0x1234
    CHECK e

    ; It is there now: it cannot be made again, and may have another pager.
    CONTROL FIRST, FIRST, ROOT, ROOT
    cmp eax, 1
    CHECK e
    ret

thread:
    cmp esp, first_stack
    CHECK e
    cmp eax, [KIP_BASE + KIP_FEATURES]
    CHECK e
    cmp edi, [KIP_BASE + KIP_UTCB]
    CHECK e
    cmp edi, UTCB_BASE + (FIRST_THREAD + 1) * UTCB_AREA
    CHECK e
    cmp dword ptr [edi + UTCB_ID], FIRST
    CHECK e
    cmp dword ptr [edi + UTCB_PAGER], ROOT
    CHECK e
    cmp dword ptr [edi + UTCB_HANDLER], NIL_THREAD
    CHECK e
    or ebx, ecx
    or ebx, edx
    or ebx, esi
    or ebx, ebp
    CHECK z
    pushfd
    pop ebx
    and ebx, ~0x244             ; what the test before left: PF, ZF; IF
    cmp ebx, 2
    CHECK e
    IPC ROOT, NIL_THREAD, NEVER, 1, 0x1234
    ud2
