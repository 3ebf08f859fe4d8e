; Figure 4 of Stoess's paper: a recursive chain of preemption messages. While T4 executes (1), an interrupt is delivered to T3
; and preempts it (2). T4's message goes to its scheduler T2 (3). T2 is T3's scheduler, too, so T3 also sends it a message
; (4), and T2 executes (5); T1, who is above T2, hears of nothing.
;
;     T1  the root scheduler         level 0
;      |
;     T2  a scheduler <---+---+      level 1     (5) executes
;      |\              (3)|   |(4)
;      | T3  a handler ---|---+      level 2     (2) the interrupt
;      |                  |
;       `T4 --------------+          level 2     (1) executes

.include "figure.inc"

.text

; main: T1.
;   out   does not return
.global main
main:
    THREAD t2_begins, t2_stack, T1
    LOOK
    FIRST_TICK
    THREAD t3_waits, t3_stack, T2
    HANDLES T3
    mov eax, T2
t1_grants:
    REPLY_AND_WAIT
    cmp esi, LABEL_IDLE << LABEL_SHIFT
    jne t1_grants
    ; T3 waits for the interrupt, and T2 for those below it.
    THREAD t4_executes, t4_stack, T2
    xor eax, eax
    jmp t1_grants

; T2 gives the processor to the one of whom it has heard last.
t2_begins:
    xor eax, eax
t2_grants:
    REPLY_AND_WAIT
t2_executes:
    mov [t2_heard], eax
t2_looks:
    LOOK                        ; is there a message more?
    jc t2_grants
    mov eax, [t2_heard]
    jmp t2_grants

t3_waits:
    IPC NIL_THREAD, TIMER
t3_handles:
    xor eax, eax
    jmp kdb_exit

t4_executes:
    jmp t4_executes

.bss

.align 16
t2_heard:                       ; of whom
    .space 4
    .space 256
t2_stack:
    .space 256
t3_stack:
    .space 256
t4_stack:
