; Who sets another one going chooses who of the two goes on.

.include "test.inc"

main:
    MAKE FIRST, resumed, first_stack
    MAKE SECOND, resuming, second_stack
    IPC FIRST, NIL_THREAD
    call settle
    IPC SECOND, NIL_THREAD
    call settle
    cmp dword ptr [order], 'S' | 'F' << 8 | 'F' << 16 | 'S' << 24
    CHECK e
    ret

resumed:
    IPC ROOT, ROOT
    EXREGS FIRST, EXREG_SET_HALT | EXREG_HALT
    mov al, 'F'
    call note
    IPC SECOND, NIL_THREAD
    EXREGS FIRST, EXREG_SET_HALT | EXREG_HALT
    mov al, 'F'
    call note
    IPC NIL_THREAD, QUIET
    ud2

resuming:
    IPC ROOT, ROOT
    EXREGS FIRST, EXREG_SET_HALT
    mov al, 'S'
    call note
    IPC NIL_THREAD, FIRST       ; which then stops again
    EXREGS FIRST, EXREG_SET_HALT | EXREG_GRANT
    mov al, 'S'
    call note
    IPC NIL_THREAD, QUIET
    ud2

; note: in   AL = who has come here
note:
    mov ecx, [next]
    mov [order + ecx], al
    inc dword ptr [next]
    ret

.bss

next:
    .space 4
order:
    .space 4
