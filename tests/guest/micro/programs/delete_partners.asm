; Whoever waits for a thread that is deleted hears of it: to send, to receive from it, and to be started by it.

.include "test.inc"

VICTIM = (FIRST_THREAD + 4) << ID_SHIFT | 1

main:
    ; The victim waits for nobody of them.
    MAKE VICTIM, victim, victim_stack
    MAKE FIRST, sender, first_stack
    MAKE SECOND, receiver, second_stack
    CONTROL THIRD, ROOT, ROOT, VICTIM
    cmp eax, 1
    CHECK e
    IPC FIRST, NIL_THREAD
    IPC SECOND, NIL_THREAD
    call settle                 ; now the two wait for it
    CONTROL VICTIM, NIL_THREAD, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e

    ; Both go on with an error, one in each phase.
    call settle
    cmp dword ptr [sender_error], IPC_NO_PARTNER
    CHECK e
    cmp dword ptr [receiver_error], IPC_NO_PARTNER | IPC_RECEIVE_PHASE
    CHECK e

    ; The one that the victim was to start is as if it had never had a pager, and can have another.
    IPC THIRD, NIL_THREAD, ZERO
    IPC_FAILS IPC_NO_PARTNER
    CONTROL THIRD, THIRD, NIL_THREAD, ROOT
    cmp eax, 1
    CHECK e
    IPC THIRD, THIRD, NEVER, 2, third, third_stack
    IPC_GOOD

    ; The number is free for another version; the old one stays nobody.
    CONTROL VICTIM + 1, ROOT, ROOT, ROOT
    cmp eax, 1
    CHECK e
    IPC VICTIM, NIL_THREAD, ZERO
    IPC_FAILS IPC_NO_PARTNER
    IPC VICTIM + 1, VICTIM + 1, NEVER, 2, third, victim_stack
    IPC_GOOD
    ret

victim:
    IPC ROOT, QUIET
    ud2

sender:
    IPC ROOT, ROOT
    IPC VICTIM, NIL_THREAD
    mov ecx, sender_error
    jmp report
receiver:
    IPC ROOT, ROOT
    IPC NIL_THREAD, VICTIM
    mov ecx, receiver_error
report:
    mov eax, [KIP_BASE + KIP_UTCB]
    mov eax, [eax + UTCB_ERROR]
    mov [ecx], eax
    IPC NIL_THREAD, QUIET
    ud2

third:
    IPC ROOT, ROOT
    ud2

.bss
    .space 0x400
victim_stack:
sender_error:
    .space 4
receiver_error:
    .space 4
