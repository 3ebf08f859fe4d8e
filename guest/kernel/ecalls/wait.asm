; Waiting: for whatever it is, and for a tick.
;
; Owns the queue of those that wait no longer than to some tick, earliest first, so that a tick looks at one unless it wakes
; some. Who has something to wait for remembers who waits, or finds it by what the process says that it waits for.

.include "ecalls.inc"

.text

; sys_sleep: waits for a number of ticks; see syscall.asm for what a system call may rely on.
;   in    EBX = ticks, 1 to 7FFFFFFFh; anything else counts as one
;   out   EAX = 0, or ERR_INTERRUPTED
.global sys_sleep
sys_sleep:
    mov eax, ebx
    dec eax
    cmp eax, FOR_EVER & 0x7FFFFFFF
    jb .Lwait
    mov ebx, 1
.Lwait:
    mov ecx, NO_SOCKET
    call wait
    CURRENT edx
    xor eax, eax
    test dword ptr [edx + PCB_DUE], DUE_SIGNAL
    jz .Lreturn
    mov eax, ERR_INTERRUPTED
.Lreturn:
    ret

; wait: the running process waits.
;   in    EBX = ticks, 1 and up, or FOR_EVER; ECX = the SOCKET that it waits for, ANY_SOCKET, or NO_SOCKET
;   out   when wait_wake has been called for it, the time has passed, or a signal is due: its PCB_DUE says so
.global wait
wait:
    push ebx
    push esi
    CURRENT eax
    cmp dword ptr [eax + PCB_DUE], 0
    jne .Lnow
    mov [eax + TASK_WAITS], ecx
    mov dword ptr [eax + TCB_STATE], THREAD_WAITING
    mov dword ptr [eax + PCB_TIMED], 0
    test ebx, ebx
    js .Lleave
    mov dword ptr [eax + PCB_TIMED], 1
    add ebx, [clock_ticks]
    mov [eax + TCB_WAKE], ebx
    mov edx, sleepers - TCB_NEXT        ; the head of the queue, as if it were the TCB_NEXT of a thread
.Llook:
    mov ecx, [edx + TCB_NEXT]
    jecxz .Lhere
    mov esi, ebx
    sub esi, [ecx + TCB_WAKE]
    js .Lhere                           ; by the sign of the difference, because ticks wrap around
    mov edx, ecx
    jmp .Llook
.Lhere:
    mov [eax + TCB_NEXT], ecx
    mov [edx + TCB_NEXT], eax
.Lleave:
    call sched_leave
.Lnow:
    pop esi
    pop ebx
    ret

; wait_wake: what a process waits for has happened, or a signal interrupts it. If it does not wait, nothing is done.
;   in    EAX = TCB
.global wait_wake
wait_wake:
    cmp dword ptr [eax + TCB_STATE], THREAD_WAITING
    jne .Lreturn
    cmp dword ptr [eax + PCB_TIMED], 0
    je .Lready
    mov edx, sleepers - TCB_NEXT
.Lnext:
    mov ecx, edx
    mov edx, [ecx + TCB_NEXT]
    cmp edx, eax
    jne .Lnext
    mov edx, [eax + TCB_NEXT]
    mov [ecx + TCB_NEXT], edx
.Lready:
    jmp sched_ready
.Lreturn:
    ret

; sleep_tick: wakes those whose tick has come.
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
sleepers:                       ; the process that is woken next, or 0
    .space 4
