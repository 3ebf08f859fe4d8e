; Figure 2 of Stoess's paper: preemption IPC and reply. The timer preempts T2, whose scheduler hears of it, with all of T2's
; registers, and replies: that grants the processor anew. Here the reply also changes where T2 goes on.
;
;     T1, the scheduler        +-- the interrupt, the preemption of T2 --+ reply
;                              |                                         |
;     T2              executes +                                         +-- goes on

.include "figure.inc"

.text

; main: T1.
;   out   EAX = exit code
.global main
main:
    THREAD t2_executes, t2_stack, T1
    LOOK
    FIRST_TICK
    mov eax, T2
    REPLY_AND_WAIT
t1_hears:
    LOOK                        ; whom has the interrupt preempted? EBX = MR1 = its EIP
t1_replies:
    mov ebx, t2_goes_on
    IPC T2, T2, STATE_WORDS
    xor eax, eax
    ret

t2_executes:
    jmp t2_executes
t2_goes_on:
    IPC T1, T1

.bss

.align 16
    .space 256
t2_stack:
