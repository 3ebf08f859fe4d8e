; The scheduling policy: that of Linux 2.2, and aware of events.
;
; Owns the run queue: the processes that can run, the running one among them, but never the idle thread. Whoever gets
; the processor goes to its front, and stays there when it is preempted; whoever has had its slice, or yields, and
; whoever can run again, goes to its end. The best one by goodness runs next, and of equals the first:
;
;     real time       GOODNESS_REAL_TIME + its priority
;     SCHED_OTHER     ticks that it has left and those that it gets at a time; 0 when it has none left
;
; When all that can run have no tick left, everybody gets new ones, and keeps half of what it had.
;
; A process with events pending is preferred to real-time processes of its own priority, and to all of SCHED_OTHER if it
; is one of these. So who does not hear of its events keeps its equals from running for as long as it can run.
;
;     linux_queue <-LINUX_NEXT, LINUX_PREVIOUS-> LINUX <-> ... <-> LINUX <-> linux_queue
;
; Departures from Linux 2.2: it prefers the latest of equals that can run again, where its manuals say the first; its
; running process keeps the processor from its equals even if its slice is over; what it yields it does not lose.

.include "ecalls.inc"

.if RR_TICKS < 1 || DEF_PRIORITY < 1
.error "RR_TICKS and DEF_PRIORITY must be 1 or more: a slice has a tick at least"
.endif

.text

; sched_ready: a process can run that could not before.
;   in    EAX = PCB, in no queue
.global sched_ready
sched_ready:
    mov dword ptr [eax + TCB_STATE], THREAD_READY
    add eax, PCB_LINUX
    cmp dword ptr [eax + LINUX_PRIORITY], 0
    jne .Lknown
    mov dword ptr [eax + LINUX_PRIORITY], DEF_PRIORITY
    mov dword ptr [eax + LINUX_COUNTER], DEF_PRIORITY
    call linux_known
.Lknown:
    call linux_append
.if SCHED_EVENTS
    cmp dword ptr [event_queue], 0
    jne .Ldue                   ; perhaps it has some pending
.endif
    call goodness
    push edx
    CURRENT eax
    add eax, PCB_LINUX
    call goodness               ; the idle thread's is 0
    pop ecx
    cmp ecx, edx
    jbe .Lreturn
.Ldue:
    mov dword ptr [sched_due], 1
.Lreturn:
    ret

; goodness: how much a process should run.
;   in    EAX = LINUX
;   out   EDX = its goodness; EAX, ECX kept
goodness:
    mov edx, [eax + LINUX_REAL_TIME]
    test edx, edx
    jnz .Lreturn
    mov edx, [eax + LINUX_COUNTER]
    test edx, edx
    jz .Lreturn
    add edx, [eax + LINUX_PRIORITY]
.Lreturn:
    ret

; sched_pick: who runs next; it goes to the front of the queue.
;   out   EAX = PCB; the idle thread if nobody can run
.global sched_pick
sched_pick:
    call schedule_begin
    mov dword ptr [sched_due], 0
    push ebx
.Lagain:
    mov eax, [linux_queue + LINUX_NEXT]
    mov ebx, eax
    cmp eax, linux_queue
    je .Lidle
    call goodness
    mov ecx, edx
.Lnext:
    mov eax, [eax + LINUX_NEXT]
    cmp eax, linux_queue
    je .Lbest
    call goodness
    cmp edx, ecx
    jbe .Lnext
    mov ecx, edx
    mov ebx, eax
    jmp .Lnext
.Lbest:
    test ecx, ecx
    jz .Lrecalculate
.if SCHED_EVENTS
    cmp dword ptr [event_queue], 0
    jne .Levents
.endif
.Lfront:
    mov eax, ebx
    call linux_remove
    mov edx, eax
    mov eax, [linux_queue + LINUX_NEXT]
    call ring_append
    lea eax, [ebx - PCB_LINUX]
    pop ebx
    ret
.Lidle:
    mov eax, idle_thread
    pop ebx
    ret

.Lrecalculate:
    mov eax, [linux_all]
.Lticks:
    mov edx, [eax + LINUX_COUNTER]
    shr edx, 1
    add edx, [eax + LINUX_PRIORITY]
    mov [eax + LINUX_COUNTER], edx
    mov eax, [eax + LINUX_ALL]
    test eax, eax
    jnz .Lticks
    jmp .Lagain

.if SCHED_EVENTS
.Levents:                       ; the first in the event queue that is as much real time as the best one
    mov edx, event_queue - CHANNEL_QUEUE_NEXT
.Levent:
    call event_queue_next
    test eax, eax
    jz .Lfront
    mov edx, [ebx + LINUX_REAL_TIME]
    cmp [ecx + PCB_LINUX + LINUX_REAL_TIME], edx
    mov edx, eax
    jb .Levent
    lea ebx, [ecx + PCB_LINUX]
    jmp .Lfront
.endif

; sched_yield: the running process lets all others run first that are as good, and of SCHED_OTHER those that have ticks
; left.
;   out   when its turn has come; it may be the only one
.global sched_yield
sched_yield:
    push ebx
    CURRENT ebx
    add ebx, PCB_LINUX
    mov eax, ebx
    call linux_remove
    call linux_append
    cmp dword ptr [ebx + LINUX_REAL_TIME], 0
    jne .Lpick
    xor edx, edx                ; as if it had no ticks left, unless everybody is given new ones
    xchg edx, [ebx + LINUX_COUNTER]
    push edx
    call sched_pick
    pop edx
    cmp dword ptr [ebx + LINUX_COUNTER], 0
    jne .Lgiven
    mov [ebx + LINUX_COUNTER], edx
.Lgiven:
    pop ebx
    jmp sched_run
.Lpick:
    pop ebx
    jmp sched_look

; sched_tick: an interrupt ends. If it was a tick, the running process has one less.
;   in    EAX = trap frame
.global sched_tick
sched_tick:
    cmp dword ptr [eax + FRAME_VECTOR], VECTOR_IRQ0
    jne .Lreturn
    CURRENT eax
    add eax, PCB_LINUX
    cmp dword ptr [eax + LINUX_POLICY], SCHED_FIFO
    je .Lreturn
    cmp dword ptr [eax + LINUX_NEXT], 0
    je .Lreturn                 ; the idle thread, or one that ends
    cmp dword ptr [eax + LINUX_COUNTER], 0
    je .Ldue                    ; without any left it runs only for its events
    dec dword ptr [eax + LINUX_COUNTER]
    jnz .Lreturn
    cmp dword ptr [eax + LINUX_POLICY], SCHED_RR
    jne .Ldue
    mov dword ptr [eax + LINUX_COUNTER], RR_TICKS
    call linux_remove
    call linux_append
.Ldue:
    mov dword ptr [sched_due], 1
.Lreturn:
    ret

; sched_end: the running process ends.
;   in    EAX = its PCB
.global sched_end
sched_end:
    add eax, PCB_LINUX
    call linux_remove
    mov edx, linux_all - LINUX_ALL      ; as if it were the LINUX_ALL of one
.Lnext:
    mov ecx, edx
    mov edx, [ecx + LINUX_ALL]
    cmp edx, eax
    jne .Lnext
    mov edx, [eax + LINUX_ALL]
    mov [ecx + LINUX_ALL], edx
    ret

; sched_inherit: a thread of the kernel works for a process: it is scheduled like that, and gets half of its ticks.
;   in    EAX = TCB, EDX = PCB
.global sched_inherit
sched_inherit:
    add eax, PCB_LINUX
    mov ecx, [edx + PCB_LINUX + LINUX_POLICY]
    mov [eax + LINUX_POLICY], ecx
    mov ecx, [edx + PCB_LINUX + LINUX_REAL_TIME]
    mov [eax + LINUX_REAL_TIME], ecx
    mov ecx, [edx + PCB_LINUX + LINUX_NICE]
    mov [eax + LINUX_NICE], ecx
    mov ecx, [edx + PCB_LINUX + LINUX_PRIORITY]
    mov [eax + LINUX_PRIORITY], ecx
    mov ecx, [edx + PCB_LINUX + LINUX_COUNTER]
    shr ecx, 1
    mov [eax + LINUX_COUNTER], ecx
    sub [edx + PCB_LINUX + LINUX_COUNTER], ecx

; linux_known: there is a process, or thread, that is to be scheduled.
;   in    EAX = LINUX
;   out   EAX kept
linux_known:
    mov edx, [linux_all]
    mov [eax + LINUX_ALL], edx
    mov [linux_all], eax
    ret

; linux_append: puts a process at the end of the run queue.
;   in    EAX = LINUX
;   out   EAX kept
.global linux_append
linux_append:
    mov edx, eax
    mov eax, linux_queue
    call ring_append
    mov eax, edx
    ret

; sched_remove: a process is not to run any more.
;   in    EAX = PCB
.global sched_remove
sched_remove:
    add eax, PCB_LINUX

; linux_remove: takes a process out of the run queue.
;   in    EAX = LINUX
;   out   EAX kept
.global linux_remove
linux_remove:
    call ring_remove
    mov dword ptr [eax + LINUX_NEXT], 0
    ret

.data

.align 4
linux_queue:                    ; the run queue: its head, of which only these two fields are there
    .long linux_queue           ; LINUX_NEXT
    .long linux_queue           ; LINUX_PREVIOUS

.assert LINUX_NEXT == LINK_NEXT && LINUX_PREVIOUS == LINK_PREV, "a LINUX begins with a LINK, as linux_queue does"

.bss

.align 4
linux_all:                      ; the LINUX that is known since last, or 0; linked by LINUX_ALL
    .space 4
