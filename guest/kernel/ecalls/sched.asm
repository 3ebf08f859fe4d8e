; Going from one to the other: what the scheduling policies have in common.
;
; Owns sched_due. A policy is a file, sched_linux.asm or sched_dwcs.asm, with these routines:
;
;     sched_ready         a process can run that could not before
;     sched_pick          who runs next
;     sched_remove        a process is not to run any more
;     sched_yield         the running one lets others run first
;     sched_tick          an interrupt ends
;     sched_end           the running one ends
;     sched_inherit       a thread of the kernel works for a process

.include "ecalls.inc"

.text

; sched_look: preempts the running process if another one should run.
;   out   when it is to go on
.global sched_look
sched_look:
    call sched_pick

; sched_run: the running process goes on, or another one does.
;   in    EAX = PCB of who is to run
;   out   when the one that was running is to go on
.global sched_run
sched_run:
    CURRENT edx
    cmp eax, edx
    je .Lreturn
    mov dword ptr [edx + TCB_STATE], THREAD_READY
    jmp switch_to
.Lreturn:
    ret

; sched_leave: the running process cannot run any more, or it is the idle thread, and perhaps another one can.
;   out   when it is picked again
.global sched_leave
sched_leave:
    CURRENT eax
    cmp eax, idle_thread
    je .Lpick
    call sched_remove
.Lpick:
    call sched_pick
    jmp switch_to

; sched_point: preempts a system call that had interrupts on, if a look is due.
.global sched_point
sched_point:
    cmp dword ptr [sched_due], 0
    jne sched_look
    ret

.bss

.global sched_due

.align 4
sched_due:                      ; not 0: since the last look something has changed that the scheduler should know
    .space 4
