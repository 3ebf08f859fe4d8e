; A thread in a space of its own: its first page fault reaches its pager, and it can do nothing that is the root task's.

.include "test.inc"

STACK_PAGE = 0x2000             ; in that space
TEXT_PAGE  = ROOT_BASE          ; of the whole program, in both
ONE_PAGE   = PAGE_SHIFT << FPAGE_SHIFT

main:
    CONTROL FIRST, FIRST, ROOT, ROOT
    cmp eax, 1
    CHECK e
    IPC FIRST, FIRST, NEVER, 2, thread, STACK_PAGE + PAGE_SIZE
    IPC_GOOD

    ; It fetches its first instruction.
    mov eax, LABEL_PAGE_FAULT | FAULT_EXECUTE
    shl eax, LABEL_SHIFT
    or eax, 2
    cmp esi, eax
    CHECK e
    cmp ebx, thread
    CHECK e
    cmp edi, thread
    CHECK e
    IPC FIRST, FIRST, NEVER, 2 << TAG_TYPED_SHIFT, TEXT_PAGE & ITEM_BASE | ITEM_MAP, TEXT_PAGE | ONE_PAGE | FPAGE_READ | FPAGE_EXECUTE
    IPC_GOOD

    ; It pushes something.
    mov eax, LABEL_PAGE_FAULT | FAULT_WRITE
    shl eax, LABEL_SHIFT
    or eax, 2
    cmp esi, eax
    CHECK e
    cmp ebx, STACK_PAGE + PAGE_SIZE - 4
    CHECK e
    IPC FIRST, FIRST, NEVER, 2 << TAG_TYPED_SHIFT, STACK_PAGE & ITEM_BASE | ITEM_MAP, stack_page + (ONE_PAGE | FPAGE_READ | FPAGE_WRITE)
    IPC_GOOD
    cmp esi, 1
    CHECK e
    cmp ebx, 77
    CHECK e
    cmp dword ptr [stack_page + PAGE_SIZE - 4], 0x55AA
    CHECK e

    ; Its space goes with it.
    CONTROL FIRST, NIL_THREAD, NIL_THREAD, NIL_THREAD
    cmp eax, 1
    CHECK e
    IPC FIRST, NIL_THREAD
    IPC_FAILS IPC_NO_PARTNER
    ret

thread:
    push 0x55AA
    CONTROL_FAILS CALL_PRIVILEGE, FIRST, NIL_THREAD, NIL_THREAD, NIL_THREAD
    mov eax, KDB_EXIT
    mov ebx, 99
    int VECTOR_SYSCALL
    ERROR CALL_PRIVILEGE
    ; Nor can it reach into the root task.
    EXREGS ROOT, 0
    test eax, eax
    CHECK z
    ERROR CALL_THREAD
    IPC ROOT, NIL_THREAD, NEVER, 1, 77
    ud2

.data

.align PAGE_SIZE
stack_page:
    .space PAGE_SIZE
