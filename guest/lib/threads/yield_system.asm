; The POSIX-like face's yield as the standard has it: sched_yield is not a call of the thread library but of the system,
; which lets other processes run. The other threads of this one do not get their turn by it.

.text

; thread_yield: lets other processes run first.
.global thread_yield
thread_yield:
    jmp sys_yield
