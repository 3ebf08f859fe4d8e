; Figure 2 (b) of the paper: an upcall. At its end the program itself goes on with what was interrupted.

.include "../programs/test.inc"

.text

; _start: blocks until the next tick.
.global _start
_start:
    CALL_KERNEL SYS_SA_INIT, settings
    CALL_KERNEL SYS_SLEEP, 1
    EXIT 1

; block_upcall: in the activation that runs instead.
block_upcall:
    mov dword ptr [processor + SA_VP_LOCK], 0

; user_code: what is interrupted.
user_code:
    cmp dword ptr [handled], 0
    je user_code
    EXIT 0

; upcall_handler: the handler, entered by the kernel.
upcall_handler:
    pushfd
    inc dword ptr [handled]
    popfd
    mov dword ptr [processor + SA_VP_LOCK], 0

; upcall_end: its trampoline.
upcall_end:
    mov esp, [esp + UPCALL_ESP]
    ret

.data

.align 4
settings:                       ; SA_INIT
    .long 0, 1, processor
    .long block_upcall, upcall_handler, 0, 0, 0, 0, 0
processor:                      ; SA_VP
    .long 0, 0, stack, 0

.bss

handled:
    .space 4

    STACK stack
