; Threads that wait for a tick.
;
; Owns the queue of sleepers, earliest first, so that a tick looks at one thread unless it wakes some. The system call
; comes from syscall.asm, the tick from timer.asm.

.include "kernel.inc"

.text

; sys_sleep: waits for a number of ticks; see syscall.asm for what a system call may rely on.
;   in    EBX = ticks, 1 to 7FFFFFFFh; anything else counts as a time that has passed, which the next tick finds
;   out   EAX = 0
.global sys_sleep
sys_sleep:
    CURRENT eax
    add ebx, [clock_ticks]
    mov [eax + TCB_WAKE], ebx
    mov dword ptr [eax + TCB_STATE], THREAD_SLEEPING
    mov edx, sleepers - TCB_NEXT        ; the head of the queue, as if it were the TCB_NEXT of a thread
.Llook:
    mov ecx, [edx + TCB_NEXT]
    test ecx, ecx
    jz .Lhere
    mov esi, ebx
    sub esi, [ecx + TCB_WAKE]
    js .Lhere                           ; by the sign of the difference, because ticks wrap around
    mov edx, ecx
    jmp .Llook
.Lhere:
    mov [eax + TCB_NEXT], ecx
    mov [edx + TCB_NEXT], eax
    call sched_leave
    xor eax, eax
    ret

; sleep_tick: wakes the threads whose tick has come.
.global sleep_tick
sleep_tick:
    mov eax, [sleepers]
    test eax, eax
    jz .Lreturn
    mov edx, [clock_ticks]
    sub edx, [eax + TCB_WAKE]
    js .Lreturn
    mov edx, [eax + TCB_NEXT]
    mov [sleepers], edx
    call sched_ready
    jmp sleep_tick
.Lreturn:
    ret

.bss

.align 4
sleepers:                       ; the thread that wakes next, or 0
    .space 4
