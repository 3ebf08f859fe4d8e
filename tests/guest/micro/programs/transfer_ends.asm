; A string stands still amid its transfer, because a page of the receiver's is missing and its pager does not answer.
; Whatever ends it for one of the two ends it for the other.

.include "test.inc"

ABSENT = ROOT_BASE + (1 << 28)  ; no memory, but an address that a buffer may have
FAULT  = (LABEL_PAGE_FAULT | FAULT_WRITE) << LABEL_SHIFT | 2

; BEGIN: a sender and a receiver, up to the page fault, which is the root task's to answer.
.macro BEGIN
    MAKE FIRST, sending, first_stack
    MAKE SECOND, receiving, second_stack
    IPC SECOND, NIL_THREAD
    call settle
    IPC FIRST, SECOND
    IPC_GOOD
    cmp esi, FAULT
    CHECK e
    cmp ebx, ABSENT
    CHECK e
    EXREGS FIRST, 0
    cmp ecx, EXREG_WAS_SENDING
    CHECK e
    EXREGS SECOND, 0
    cmp ecx, EXREG_WAS_RECEIVING
    CHECK e
.endm

; RESULT word, code
.macro RESULT word, code
    cmp dword ptr [\word], \code
    CHECK e
    mov dword ptr [\word], 0
.endm

.macro END thread
    CONTROL \thread, NIL_THREAD, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e
.endm

main:
    ; The receiver's receive is cancelled.
    BEGIN
    EXREGS SECOND, EXREG_CANCEL_SEND
    EXREGS SECOND, EXREG_CANCEL_RECEIVE
    cmp ecx, EXREG_WAS_RECEIVING
    CHECK e
    call settle
    RESULT first_error, IPC_ABORTED
    RESULT second_error, IPC_ABORTED | IPC_RECEIVE_PHASE
    IPC SECOND, NIL_THREAD, ZERO        ; the answer comes too late
    IPC_FAILS IPC_TIMEOUT
    END FIRST
    END SECOND

    ; The sender's send is.
    BEGIN
    EXREGS FIRST, EXREG_CANCEL_RECEIVE
    EXREGS FIRST, EXREG_CANCEL_SEND
    cmp ecx, EXREG_WAS_SENDING
    CHECK e
    call settle
    RESULT first_error, IPC_ABORTED
    RESULT second_error, IPC_ABORTED | IPC_RECEIVE_PHASE
    END FIRST
    END SECOND

    ; The sender goes.
    BEGIN
    END FIRST
    call settle
    RESULT second_error, IPC_ABORTED | IPC_RECEIVE_PHASE
    END SECOND

    ; The receiver goes.
    BEGIN
    END SECOND
    call settle
    RESULT first_error, IPC_ABORTED
    END FIRST

    ; The pager says that there is no page, by mapping none: it is asked again.
    BEGIN
    IPC SECOND, SECOND
    IPC_GOOD
    cmp esi, FAULT
    CHECK e

    ; Both are stopped, which does not touch their IPC; then the page comes, and both stop with all done.
    EXREGS FIRST, EXREG_SET_HALT | EXREG_HALT
    EXREGS SECOND, EXREG_SET_HALT | EXREG_HALT
    IPC SECOND, NIL_THREAD, NEVER, 2 << TAG_TYPED_SHIFT, ABSENT | ITEM_MAP, page + (PAGE_SHIFT << FPAGE_SHIFT | FPAGE_READ | FPAGE_WRITE)
    IPC_GOOD
    call settle
    EXREGS FIRST, 0
    cmp ecx, EXREG_WAS_HALTED
    CHECK e
    EXREGS SECOND, 0
    cmp ecx, EXREG_WAS_HALTED
    CHECK e
    cmp dword ptr [page], 'l' | 'e' << 8 | 't' << 16 | 't' << 24
    CHECK e
    cmp dword ptr [first_error], 0
    CHECK e
    EXREGS FIRST, EXREG_SET_HALT
    EXREGS SECOND, EXREG_SET_HALT
    call settle
    RESULT first_error, -1
    RESULT second_error, -1
    ret

sending:
    IPC ROOT, ROOT
    mov eax, [KIP_BASE + KIP_UTCB]
    mov dword ptr [eax + UTCB_ERROR], -1
    IPC SECOND, NIL_THREAD, NEVER, 2 << TAG_TYPED_SHIFT, (letter_end - letter) << ITEM_SHIFT | ITEM_STRING, letter
    mov ecx, first_error
    jmp report
receiving:
    IPC ROOT, ROOT
    mov eax, [KIP_BASE + KIP_UTCB]
    mov dword ptr [eax + UTCB_ERROR], -1
    mov dword ptr [eax + UTCB_BR0], FPAGE_NIL | ACCEPT_STRINGS
    mov dword ptr [eax + UTCB_BR1], PAGE_SIZE << ITEM_SHIFT | ITEM_STRING
    mov dword ptr [eax + UTCB_BR1 + 4], ABSENT
    IPC NIL_THREAD, FIRST
    mov ecx, second_error
report:
    mov eax, [KIP_BASE + KIP_UTCB]
    mov eax, [eax + UTCB_ERROR]
    mov [ecx], eax
    IPC NIL_THREAD, QUIET
    ud2

.data

letter:
    .ascii "letter"
letter_end:

.align PAGE_SIZE
page:
    .space PAGE_SIZE

.bss

first_error:
    .space 4
second_error:
    .space 4
