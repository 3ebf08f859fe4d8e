; A thread is stopped and goes on: while it waits, when it could run, and by itself.

.include "test.inc"

main:
    ; It waits for a message: it gets it, and stops then.
    MAKE FIRST, counting, first_stack
    mov dword ptr [counter], 0
    call settle
    EXREGS FIRST, EXREG_SET_HALT | EXREG_HALT
    cmp ecx, EXREG_WAS_RECEIVING
    CHECK e
    IPC FIRST, NIL_THREAD, ZERO
    IPC_GOOD
    call settle
    cmp dword ptr [counter], 0
    CHECK e
    EXREGS FIRST, 0
    cmp ecx, EXREG_WAS_HALTED
    CHECK e
    EXREGS FIRST, EXREG_SET_HALT
    cmp ecx, EXREG_WAS_HALTED
    CHECK e
    call settle
    cmp dword ptr [counter], 1
    CHECK e

    ; Stopped and let go while it waits: nothing happens, and it takes messages as before.
    EXREGS FIRST, EXREG_SET_HALT | EXREG_HALT
    EXREGS FIRST, EXREG_SET_HALT
    cmp ecx, EXREG_WAS_HALTED | EXREG_WAS_RECEIVING
    CHECK e
    IPC FIRST, NIL_THREAD, ZERO
    IPC_GOOD
    ; It can run now, but has not: stopped at once.
    EXREGS FIRST, EXREG_SET_HALT | EXREG_HALT
    test ecx, ecx
    CHECK z
    call settle
    cmp dword ptr [counter], 1
    CHECK e
    EXREGS FIRST, EXREG_SET_HALT
    call settle
    cmp dword ptr [counter], 2
    CHECK e

    ; By itself.
    MAKE SECOND, stopping, second_stack
    IPC SECOND, NIL_THREAD
    call settle
    cmp dword ptr [counter], 2
    CHECK e
    EXREGS SECOND, EXREG_SET_HALT
    cmp ecx, EXREG_WAS_HALTED
    CHECK e
    call settle
    cmp dword ptr [counter], 3
    CHECK e

    ; Cancelled while it is stopped: the error is there when it goes on.
    EXREGS FIRST, EXREG_SET_HALT | EXREG_HALT
    EXREGS FIRST, EXREG_CANCEL_RECEIVE
    cmp ecx, EXREG_WAS_HALTED | EXREG_WAS_RECEIVING
    CHECK e
    call settle
    cmp dword ptr [counter], 3
    CHECK e
    EXREGS FIRST, EXREG_SET_HALT
    cmp ecx, EXREG_WAS_HALTED
    CHECK e
    call settle
    cmp dword ptr [counter], 103
    CHECK e
    ret

counting:
    IPC ROOT, ROOT
.Lnext:
    test esi, TAG_ERROR
    jnz .Lerror
    inc dword ptr [counter]
    IPC NIL_THREAD, ROOT
    jmp .Lnext
.Lerror:
    add dword ptr [counter], 100
    IPC NIL_THREAD, ROOT
    ud2

stopping:
    IPC ROOT, ROOT
    EXREGS SECOND, EXREG_SET_HALT | EXREG_HALT
    inc dword ptr [counter]
    IPC NIL_THREAD, QUIET
    ud2

.bss

counter:
    .space 4
