; Figure 1 of the paper: a blocking system call in the original model.

.include "../programs/test.inc"

; STATE event, activation, place: is that the SA_STATE at EBP?
.macro STATE event, activation, place
    cmp dword ptr [ebp + SA_STATE_EVENT], \event
    jne wrong
    mov eax, [\activation]
    cmp [ebp + SA_STATE_ACTIVATION], eax
    jne wrong
    cmp dword ptr [ebp + SA_STATE_REGS + REGS_EIP], \place
    jne wrong
.endm

.text

; _start: (a) thread 1 runs on activation A.
.global _start
_start:
    CALL_KERNEL SYS_SA_INIT, settings
    CALL_KERNEL SYS_SELF
    mov [a], eax

; thread_1: (b) makes a system call that blocks A. Later it goes on behind that, on C.
thread_1:
    CALL_KERNEL SYS_SLEEP, 1
thread_1_goes_on:
    EXIT 0

; block_upcall: (b) another activation, B, has been launched: it runs thread 2.
block_upcall:
    mov eax, [esp + UPCALL_CURRENT]
    mov [b], eax
    mov dword ptr [processor + SA_VP_LOCK], 0

; thread_2: (c) an interrupt wakes A.
thread_2:
    jmp thread_2

; unblock_upcall: (d) a new activation, C, tells of it; B was preempted for that. C has the states of both threads, and A
; and B are gone. It chooses thread 1.
unblock_upcall:
    cmp dword ptr [esp + UPCALL_COUNT], 2
    jne wrong
    mov eax, [esp + UPCALL_CURRENT]
    cmp eax, [a]
    je wrong
    cmp eax, [b]
    je wrong
    lea ebp, [esp + UPCALL_SIZE]
    STATE STOPPED_PREEMPTED, b, thread_2
    add ebp, SA_STATE_SIZE
    STATE STOPPED_UNBLOCKED, a, thread_1_goes_on
    lea ebp, [ebp + SA_STATE_REGS]
    CALL_KERNEL SYS_SA_RESTORE, ebp
wrong:
    EXIT 1

.data

.align 4
settings:                       ; SA_INIT
    .long SA_ORIGINAL, 1, processor
    .long block_upcall, unblock_upcall, 0, 0, 0
    .long stacks, 2
stacks:                         ; SA_STACK
    .long 0, stack_1
    .long 0, stack_2

.bss

a:                              ; the activations
    .space 4
b:
    .space 4
processor:
    .space SA_VP_SIZE

    STACK stack_1
    STACK stack_2
