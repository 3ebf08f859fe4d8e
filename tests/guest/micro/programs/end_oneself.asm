; A thread of the root task's space ends itself: nothing of it goes on, and the others do.

.include "test.inc"

main:
    MAKE FIRST, waiting, first_stack
    MAKE SECOND, ending, second_stack
    IPC FIRST, NIL_THREAD
    call settle                 ; FIRST waits for SECOND
    IPC SECOND, NIL_THREAD
    call settle
    cmp dword ptr [error], IPC_NO_PARTNER | IPC_RECEIVE_PHASE
    CHECK e
    CONTROL_FAILS CALL_THREAD, SECOND, NIL_THREAD, NIL_THREAD, NIL_THREAD
    ; Nobody can run but the one who waits for nothing that comes: the kernel idles, and wakes up.
    MAKE SECOND, ending, second_stack
    IPC SECOND, NIL_THREAD
    call settle
    CONTROL_FAILS CALL_THREAD, SECOND, NIL_THREAD, NIL_THREAD, NIL_THREAD
    ret

waiting:
    IPC ROOT, ROOT
    IPC NIL_THREAD, SECOND
    mov eax, [KIP_BASE + KIP_UTCB]
    mov eax, [eax + UTCB_ERROR]
    mov [error], eax
    IPC NIL_THREAD, QUIET
    ud2

ending:
    IPC ROOT, ROOT
    CONTROL SECOND, NIL_THREAD, NIL_THREAD, NIL_THREAD
    mov ebx, 99
    jmp test_end

.bss

error:
    .space 4
