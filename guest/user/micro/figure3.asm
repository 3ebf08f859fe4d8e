; Figure 3 of Stoess's paper: nested IPC. T3 waits to send to T2, and then to receive from T4, who waits to send to it. T2 takes
; T3's message. So T3 could take T4's at once, and give the processor to that one; but it goes back to T2, who has called.
;
;     T2, the invoker       receive from T3 --+   +-- goes on
;                                              \ /
;     T3        send to T2, receive from T4 ----+ . . . preempted . . . receive from T4 --+
;                                                                                         |
;     T4                         send to T3 ----------------------------------------------+

.include "figure.inc"

.text

; main: T1, the scheduler of all.
;   out   EAX = exit code
.global main
main:
    THREAD t2_receives, t2_stack, T1
    LOOK
    THREAD t3_sends, t3_stack, T1
    LOOK
    THREAD t4_sends, t4_stack, T1
    LOOK
    IPC T4, ANY_THREAD          ; T4 sends, and waits; so nobody can run, and T1 hears of that,
    IPC T3, ANY_THREAD          ;   and T3 likewise.
    IPC T2, T2                  ; T2 receives; T1 listens to nobody else until T2 calls it
t1_looks:
    LOOK                        ; T3 can run
t1_grants:
    IPC T3, T3
    xor eax, eax
    ret

t2_receives:
    IPC NIL_THREAD, T3
t2_goes_on:
    IPC T1, T1

t3_sends:
    IPC T2, T4
t3_goes_on:
    IPC T1, T1

t4_sends:
    IPC T3, T3

.bss

.align 16
    .space 256
t2_stack:
    .space 256
t3_stack:
    .space 256
t4_stack:
