; A scheduler for the threads of another program (borrower.asm), which ends after some dispatches.

.include "test.inc"

DISPATCHES = 4

.text

; main: asks.
.global main
main:
    mov ebp, DISPATCHES
    mov edx, ANY_THREAD
    call ipc_receive
.Ldispatch:
    shr esi, LABEL_SHIFT
    cmp esi, LABEL_PREEMPTION
    je .Lgrant
    SAY "wrong: another message\n"
.Lgrant:
    dec ebp
    js .Lend
    xor esi, esi
    call ipc_reply_and_wait
    jmp .Ldispatch
.Lend:
    SAY "the lender goes\n"
    mov eax, 0
    ret
