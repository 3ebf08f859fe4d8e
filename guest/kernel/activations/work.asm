; The way back to a program: what a thread has to do before it gets there.
;
; Owns the order of these things. trap_exit and syscall_dispatch call if ACT_WORK says that there is anything.

.include "activations.inc"

.text

; work: the end of the process, signals, upcalls. An upcall comes last, so it is what the program sees first: a handler
; that has been entered is then part of what the upcall interrupts.
;   in    the running thread was on its way to ring 3
;   out   its frame says where it goes on: a handler, an upcall, or where it came from; or does not return
;
; WORK_UPCALL may stay set: an upcall waits for its lock, and every return to the program looks whether it is free.
.global work
work:
    CURRENT edx
    test dword ptr [edx + ACT_WORK], WORK_END
    jnz thread_die
    test dword ptr [edx + ACT_WORK], WORK_SIGNAL
    jnz .Lsignal
    test dword ptr [edx + ACT_WORK], WORK_UPCALL
    jz .Lreturn
    lea eax, [edx + USER_FRAME]
    call upcall_work
    CURRENT edx                 ; meanwhile others may have run
    test dword ptr [edx + ACT_WORK], ~WORK_UPCALL
    jnz work
.Lreturn:
    ret
.Lsignal:
    call handler_work
    jmp work
