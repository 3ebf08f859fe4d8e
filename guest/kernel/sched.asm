; The scheduling policy: round robin.
;
; Owns the run queue: the threads that are ready, in the order in which they will run. The running thread is not in it,
; the idle thread never is. Another policy is another file with these six routines' names.
;
;     sched_head -> TCB -TCB_NEXT-> TCB -TCB_NEXT-> ... -> TCB -TCB_NEXT-> 0
;     sched_tail ------------------------------------------^

.include "kernel.inc"

.text

; sched_ready: the thread can run; it queues up at the end.
;   in    EAX = TCB, in no queue
.global sched_ready
sched_ready:
    mov dword ptr [eax + TCB_STATE], THREAD_READY
    mov dword ptr [eax + TCB_NEXT], 0
    cmp dword ptr [sched_head], 0
    je .Lempty
    mov edx, [sched_tail]
    mov [edx + TCB_NEXT], eax
    mov [sched_tail], eax
    ret
.Lempty:
    mov [sched_head], eax
    mov [sched_tail], eax
    ret

; sched_pick: takes the next thread to run out of the queue.
;   out   EAX = TCB; the idle thread if nobody is ready
.global sched_pick
sched_pick:
    mov dword ptr [sched_due], 0
    mov eax, [sched_head]
    test eax, eax
    jz .Lidle
    mov edx, [eax + TCB_NEXT]
    mov [sched_head], edx
    ret
.Lidle:
    mov eax, idle_thread
    ret

; sched_yield: the running thread queues up again and lets the others run first.
;   out   when its turn has come; it may be the only one
.global sched_yield
sched_yield:
    CURRENT eax
    call sched_ready

; sched_leave: the running thread stops running: it is in some queue, or it is the idle thread.
;   out   when it is picked again
.global sched_leave
sched_leave:
    call sched_pick
    jmp switch_to

; sched_tick: a tick has passed. A program is preempted; the kernel is not, it looks at sched_point when it can.
;   in    EAX = trap frame of the timer interrupt
.global sched_tick
sched_tick:
    test dword ptr [eax + FRAME_CS], SEL_RPL
    jnz sched_yield
    mov dword ptr [sched_due], 1
    ret

; sched_point: preempts a system call that had interrupts on, if a tick came meanwhile.
.global sched_point
sched_point:
    cmp dword ptr [sched_due], 0
    jne sched_yield
    ret

.bss

.align 4
sched_head:                     ; the thread that runs next, or 0
    .space 4
sched_tail:                     ; the last of the queue; means nothing while it is empty
    .space 4
sched_due:                      ; not 0: a tick came while the kernel had interrupts on
    .space 4
