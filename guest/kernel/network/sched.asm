; The scheduling policy: who has had least of the processor runs next.
;
; Owns when that is asked. lib/fair.asm has the queue, in which each thread that is ready stands with its TASK_FAIR; the
; running thread is not in it, the idle thread never is. An interrupt takes the processor from a program if somebody is
; far enough behind it: a program that waits for the network gets it back at once, unless it has had its share.

.include "kernel/kernel.inc"

.text

; sched_ready: a thread can run that could not before.
;   in    EAX = TCB, in no queue
.global sched_ready
sched_ready:
    mov dword ptr [eax + TCB_STATE], THREAD_READY
    mov dword ptr [sched_due], 1
    add eax, TASK_FAIR
    jmp fair_wake

; sched_pick: takes the next thread to run out of the queue.
;   out   EAX = TCB; the idle thread if nobody is ready
.global sched_pick
sched_pick:
    mov dword ptr [sched_due], 0
    call fair_take
    test eax, eax
    jz .Lidle
    push eax
    call fair_run
    pop eax
    sub eax, TASK_FAIR
    ret
.Lidle:
    mov eax, idle_thread
    ret

; sched_yield: the running thread queues up again behind all others.
;   out   when its turn has come; it may be the only one
.global sched_yield
sched_yield:
    call sched_stop
    call fair_yield
    call sched_pick
    jmp switch_to

; sched_preempt: the running thread queues up again by what it has had.
;   out   when its turn has come
sched_preempt:
    call sched_stop
    call fair_ready
    call sched_pick
    jmp switch_to

; sched_stop: the running thread stops running, but could go on.
;   out   EAX = its FAIR
sched_stop:
    CURRENT eax
    mov dword ptr [eax + TCB_STATE], THREAD_READY
    add eax, TASK_FAIR
    push eax
    call fair_stop
    pop eax
    ret

; sched_leave: the running thread stops running: it waits for something, or it is the idle thread.
;   out   when it is picked again
.global sched_leave
sched_leave:
    CURRENT eax
    add eax, TASK_FAIR
    call fair_stop
    call sched_pick
    jmp switch_to

; sched_tick: an interrupt ends. A program may be preempted; the kernel is not, it looks at sched_point when it can.
;   in    EAX = trap frame
.global sched_tick
sched_tick:
    test dword ptr [eax + FRAME_CS], SEL_RPL
    jnz sched_look
    mov dword ptr [sched_due], 1
    ret

; sched_point: the place in a system call where it may be preempted, if an interrupt came or a thread was woken meanwhile.
.global sched_point
sched_point:
    cmp dword ptr [sched_due], 0
    jne sched_look
    ret

; sched_look: preempts the running thread if another one should run.
sched_look:
    mov dword ptr [sched_due], 0
    CURRENT eax
    add eax, TASK_FAIR
    call fair_better
    jc sched_preempt
    ret

.bss

.align 4
sched_due:                      ; not 0: since the last look, the kernel was interrupted, or a thread was woken
    .space 4
