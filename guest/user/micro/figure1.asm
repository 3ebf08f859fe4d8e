; Figure 1 of Stoess's paper, the design: a call that blocks takes the processor with it, and nobody hears of it. Where two
; threads can run, the one who calls the kernel chooses; the other one's scheduler hears of it.
;
;     T1, the scheduler   -----------------------------------------------+ notified: T3 lost
;                                                                         |
;     T2, the client      --+ call                      +-- goes on ------+ call
;                           | (a donation)              | chosen
;     T3, the server        +-- works --+ send, grant --+ . . . . . . . . . preempted

.include "figure.inc"

.text

; main: T1.
;   out   EAX = exit code
.global main
main:
    THREAD t2_calls, t2_stack, T1
    LOOK
    THREAD t3_waits, t3_stack, T1
    LOOK
    IPC T3, T3                  ; it waits for its client then;
t1_grants:
    IPC T2, T2                  ;   and T1 listens to nobody but T2 until that one calls it
t1_looks:
    LOOK
t1_is_notified:
    xor eax, eax
    ret

t2_calls:
    IPC T3, T3
t2_goes_on:
    IPC T1, T1

t3_waits:
    IPC T1, T2                  ; ready: from here on for T2
t3_chooses:
    IPC T2, NIL_THREAD, TAG_GRANT
    ud2                         ; nobody lets it go on

.bss

.align 16
    .space 256
t2_stack:
    .space 256
t3_stack:
