; ExchangeRegisters ends the IPC of another thread: the phase that is meant, and only the IPC that is meant.

.include "test.inc"

main:
    MAKE FIRST, receiving, first_stack
    MAKE SECOND, sending, second_stack
    MAKE THIRD, deaf, third_stack
    IPC SECOND, NIL_THREAD
    call settle

    ; The other phase: nothing ends.
    EXREGS FIRST, EXREG_CANCEL_SEND
    cmp ecx, EXREG_WAS_RECEIVING
    CHECK e
    EXREGS SECOND, EXREG_CANCEL_RECEIVE
    cmp ecx, EXREG_WAS_SENDING
    CHECK e
    call settle
    cmp dword ptr [first_error], 0
    CHECK e
    cmp dword ptr [second_error], 0
    CHECK e

    ; Another token: nothing ends. Not even if an ESP was meant.
    mov dword ptr [UTCB_BASE + (FIRST_THREAD + 1) * UTCB_AREA + UTCB_TOKEN], 7
    EXREGS FIRST, EXREG_CANCEL_RECEIVE | EXREG_TOKEN, 6
    cmp ecx, EXREG_WAS_RECEIVING
    CHECK e
    EXREGS FIRST, 0
    cmp ecx, EXREG_WAS_RECEIVING
    CHECK e

    ; The right one.
    EXREGS FIRST, EXREG_CANCEL_RECEIVE | EXREG_TOKEN, 7
    call settle
    cmp dword ptr [first_error], IPC_CANCELED | IPC_RECEIVE_PHASE
    CHECK e
    EXREGS SECOND, EXREG_CANCEL_SEND | EXREG_CANCEL_RECEIVE
    call settle
    cmp dword ptr [second_error], IPC_CANCELED
    CHECK e
    ; It does not wait for the deaf one any more.
    EXREGS THIRD, 0
    cmp ecx, EXREG_WAS_RECEIVING
    CHECK e
    CONTROL THIRD, NIL_THREAD, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e
    ret

receiving:
    IPC ROOT, ROOT
    mov eax, [KIP_BASE + KIP_UTCB]
    mov eax, [eax + UTCB_ERROR]
    mov [first_error], eax
    IPC NIL_THREAD, QUIET
    ud2

sending:
    IPC ROOT, ROOT
    IPC THIRD, THIRD
    mov eax, [KIP_BASE + KIP_UTCB]
    mov eax, [eax + UTCB_ERROR]
    mov [second_error], eax
    IPC NIL_THREAD, QUIET
    ud2

deaf:
    IPC ROOT, QUIET
    ud2

.bss

first_error:
    .space 4
second_error:
    .space 4
