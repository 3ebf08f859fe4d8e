; A thread whose scheduler has ended goes on when it has another one.

.include "test.inc"

main:
    MAKE FIRST, waiting, first_stack
    CONTROL SECOND, ROOT, FIRST, ROOT
    cmp eax, 1
    CHECK e
    IPC SECOND, SECOND, NEVER, 2, working, second_stack
    IPC_GOOD
    IPC SECOND, NIL_THREAD      ; in `uls` it asks its scheduler, which does not listen
    call settle
    CONTROL FIRST, NIL_THREAD, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e
    call settle
    mov ebp, [KIP_BASE + KIP_FEATURES]
    test ebp, KIP_ULS
    jz .Lgoes_on
    cmp dword ptr [done], 0
    CHECK e
    EXREGS SECOND, EXREG_SET_HALT       ; it has not been stopped: that is not for a thread to mend
    test ecx, ecx
    CHECK z
    call settle
    cmp dword ptr [done], 0
    CHECK e
.Lgoes_on:
    CONTROL SECOND, SECOND, ROOT, NIL_THREAD
    cmp eax, 1
    CHECK e
    call settle
    cmp dword ptr [done], 1
    CHECK e
    ret

waiting:
    IPC ROOT, QUIET
    ud2

working:
    IPC ROOT, ROOT
    inc dword ptr [done]
    IPC NIL_THREAD, QUIET
    ud2

.bss

done:
    .space 4
