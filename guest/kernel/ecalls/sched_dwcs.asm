; The scheduling policy: DWCS (West, Schwan), with deadlines before windows, and aware of events.
;
; Owns the queues of those that can run, and slots: from one tick to the next. Who is picked first in a slot keeps it,
; unless it waits or yields, and it is that process's slot even if it has not used all of it. What is left of a slot
; costs nobody anything. Who has which priority, the first of these for whom there is somebody:
;
;     LEVEL_PROMISED      has a promise, and has not run long enough in its period
;     LEVEL_UNPROMISED    likewise without a promise
;     LEVEL_EXTRA         has run long enough, but is work-conserving
;     LEVEL_NONE          best effort, by turns
;
; The ECall server is at one of the first two (dwcs_server.asm).
;
; Within a level it is window_before that decides (dwcs_window.asm). Events pending change that: of equal deadlines theirs
; is the first, if those that must not miss it can still be served in time; and it is they who run instead of LEVEL_EXTRA
; and LEVEL_NONE, whoever they are. That hurts nobody who has a promise; windows without one are violated more often.
;
;     dwcs_windows <-DWCS_NEXT, DWCS_PREVIOUS-> DWCS <-> ... <-> DWCS <-> dwcs_windows
;     dwcs_rest    <-DWCS_NEXT, DWCS_PREVIOUS-> DWCS <-> ... <-> DWCS <-> dwcs_rest           best effort

.include "ecalls.inc"

LEVEL_PROMISED = 0
LEVEL_UNPROMISED = WINDOW_UNPROMISED
LEVEL_EXTRA = 2
LEVEL_NONE = 3

.text

; sched_ready: a process can run that could not before.
;   in    EAX = PCB, in no queue
.global sched_ready
sched_ready:
    mov dword ptr [eax + TCB_STATE], THREAD_READY
    mov dword ptr [sched_due], 1
    add eax, PCB_DWCS
    call window_wake
    jmp dwcs_append

; sched_pick: who runs next.
;   out   EAX = PCB; the idle thread if nobody may run
.global sched_pick
sched_pick:
    call schedule_begin
    mov dword ptr [sched_due], 0
    mov eax, [slot_process]
    test eax, eax
    jz .Lchoose
    cmp dword ptr [eax + TCB_STATE], THREAD_RUNNING
    ja .Lchoose
    ret
.Lchoose:
    push ebx
    push esi
    push edi
    call dwcs_best
.if SCHED_EVENTS
    call dwcs_events
    jc .Lslot
.endif
    mov edi, ebx
    cmp esi, LEVEL_EXTRA
    jb .Lslot
    xor edi, edi
    test ebx, ebx
    jnz .Lslot
    mov ebx, [dwcs_rest + DWCS_NEXT]
    cmp ebx, dwcs_rest
    jne .Lslot
    mov ebx, idle_thread + PCB_DWCS

    ; EBX = DWCS of who runs, EDI = DWCS whose slot that is, or 0.
.Lslot:
    lea eax, [ebx - PCB_DWCS]
    cmp dword ptr [slot_open], 0
    je .Lreturn                 ; what is left of a slot
    mov dword ptr [slot_open], 0
    mov [slot_account], edi
    test edi, edi
    jz .Lreturn
    mov [slot_process], eax
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; dwcs_best: who is the first but for events.
;   out   EBX = DWCS, or 0; ESI = its LEVEL_, or LEVEL_NONE
dwcs_best:
    xor ebx, ebx
    mov esi, LEVEL_NONE
    mov eax, dwcs_windows
.Lnext:
    mov eax, [eax + DWCS_NEXT]
    cmp eax, dwcs_windows
    je .Lreturn
    call dwcs_level
    cmp ecx, esi
    ja .Lnext
    jb .Ltake
    cmp ecx, LEVEL_NONE
    je .Lnext
    call window_before
    jnc .Lnext
.Ltake:
    mov ebx, eax
    mov esi, ecx
    jmp .Lnext
.Lreturn:
    ret

; dwcs_level: at which level a process is.
;   in    EAX = DWCS
;   out   ECX = LEVEL_; EAX, EDX kept
dwcs_level:
    mov ecx, [eax + DWCS_FLAGS]
    cmp dword ptr [eax + DWCS_LEFT], 0
    je .Lextra
    and ecx, WINDOW_UNPROMISED
    ret
.Lextra:
    test ecx, WINDOW_WORK_CONSERVING
    mov ecx, LEVEL_EXTRA
    jnz .Lreturn
    mov ecx, LEVEL_NONE
.Lreturn:
    ret

.if SCHED_EVENTS
; dwcs_events: what events pending change.
;   in    EBX, ESI = who is the first, from dwcs_best
;   out   CF set: EBX = DWCS of who runs instead, EDI = DWCS whose slot that is, or 0; ESI is destroyed
;         CF clear: nothing: EBX, ESI kept
dwcs_events:
    mov edx, event_queue - CHANNEL_QUEUE_NEXT
    call event_queue_next
    test eax, eax
    jz .Lnone
    mov edx, eax
    lea eax, [ecx + PCB_DWCS]
    cmp dword ptr [slot_open], 0
    je .Llevel
    push eax
    push edx
    call server_take
    pop edx
    pop eax
    mov edi, ecall_server
    jc .Linstead
.Llevel:
    xor edi, edi
    cmp esi, LEVEL_EXTRA
    jae .Linstead

    ; Of equal deadlines: the first in the event queue, if there is time for the others.
.Lequal:
    cmp eax, ebx
    je .Lnothing
    call dwcs_level
    cmp ecx, esi
    jne .Lnext
    mov ecx, [eax + DWCS_DEADLINE]
    cmp ecx, [ebx + DWCS_DEADLINE]
    je .Lspare
.Lnext:
    call event_queue_next
    test eax, eax
    jz .Lnothing
    mov edx, eax
    lea eax, [ecx + PCB_DWCS]
    jmp .Lequal
.Lspare:
    call dwcs_spare
    jc .Lnothing
    mov edi, eax
    jmp .Linstead
.Linstead:
    mov ebx, eax
    stc
    ret
.Lnone:
    mov dword ptr [server_active], 0
.Lnothing:
    clc
    ret

; dwcs_spare: could a process run in this slot, and all others of its deadline and level that must not miss it still be
; served in time?
;   in    EAX = DWCS, ESI = its LEVEL_
;   out   CF set: no; EAX kept
dwcs_spare:
    push ebx
    push esi
    push edi
    mov edi, eax
    mov ebx, [eax + DWCS_DEADLINE]
    mov edx, ebx
    sub edx, [slot]
    dec edx                     ; slots that are left then
    mov eax, dwcs_windows
.Lnext:
    mov eax, [eax + DWCS_NEXT]
    cmp eax, dwcs_windows
    je .Lyes
    cmp eax, edi
    je .Lnext
    cmp [eax + DWCS_DEADLINE], ebx
    jne .Lnext
    cmp dword ptr [eax + DWCS_X], 0
    jne .Lnext
    call dwcs_level
    cmp ecx, esi
    jne .Lnext
    sub edx, [eax + DWCS_LEFT]
    jns .Lnext
    stc
    jmp .Lreturn
.Lyes:
    clc
.Lreturn:
    mov eax, edi
    pop edi
    pop esi
    pop ebx
    ret
.endif

; sched_yield: the running process has done what it wanted to in its period, or of best effort lets all others run
; first.
;   out   when its turn has come; it may be the only one
.global sched_yield
sched_yield:
    CURRENT eax
    cmp eax, [slot_process]
    jne .Lits
    mov dword ptr [slot_process], 0
.Lits:
    add eax, PCB_DWCS
    cmp dword ptr [eax + DWCS_PERIOD], 0
    je .Lrest
    cmp dword ptr [eax + DWCS_LEFT], 0
    je sched_look
    mov dword ptr [eax + DWCS_LEFT], 0
    call window_met
    jmp sched_look
.Lrest:
    call dwcs_remove
    call dwcs_append
    jmp sched_look

; sched_tick: an interrupt ends. If it was a tick, so does a slot.
;   in    EAX = trap frame
.global sched_tick
sched_tick:
    cmp dword ptr [eax + FRAME_VECTOR], VECTOR_IRQ0
    jne .Lreturn
    CURRENT edx
    add edx, PCB_DWCS
    mov eax, [slot_account]
    cmp dword ptr [slot_open], 0
    je .Laccount
    mov eax, edx                ; the kernel had no time to pick anybody, so the running one went on
.Laccount:
    test eax, eax
    jz .Lturn
    cmp dword ptr [eax + DWCS_LEFT], 0
    je .Lturn
    push edx
    dec dword ptr [eax + DWCS_LEFT]
    jnz .Lcharged
    call window_met
.Lcharged:
    pop edx
.Lturn:
    cmp dword ptr [edx + DWCS_PERIOD], 0
    jne .Lslot
    cmp dword ptr [edx + DWCS_NEXT], 0
    je .Lslot                   ; the idle thread, or one that ends
    mov eax, edx
    call dwcs_remove
    call dwcs_append
.Lslot:
    inc dword ptr [slot]
    mov dword ptr [slot_open], 1
    mov dword ptr [slot_account], 0
    mov dword ptr [slot_process], 0
    mov dword ptr [sched_due], 1
    mov eax, dwcs_windows
.Lnext:
    mov eax, [eax + DWCS_NEXT]
    cmp eax, dwcs_windows
    je .Lreturn
    mov edx, [slot]
    cmp [eax + DWCS_DEADLINE], edx
    jne .Lnext
    call window_next
    jmp .Lnext
.Lreturn:
    ret

; sched_end: the running process ends.
;   in    EAX = its PCB
.global sched_end
sched_end:
    cmp eax, [slot_process]
    jne .Lprocess
    mov dword ptr [slot_process], 0
.Lprocess:
    add eax, PCB_DWCS
    cmp eax, [slot_account]
    jne .Laccount
    mov dword ptr [slot_account], 0
.Laccount:
    call dwcs_remove
    jmp window_leave

; sched_inherit: a thread of the kernel works for a process: it is best effort, because the process's window is its own.
;   in    EAX = TCB, EDX = PCB
.global sched_inherit
sched_inherit:
    ret

; dwcs_append: puts a process at the end of its queue.
;   in    EAX = DWCS
;   out   EAX kept
.global dwcs_append
dwcs_append:
    mov edx, eax
    mov eax, dwcs_rest
    cmp dword ptr [edx + DWCS_PERIOD], 0
    je .Lqueue
    mov eax, dwcs_windows
.Lqueue:
    call ring_append
    mov eax, edx
    ret

; sched_remove: a process is not to run any more.
;   in    EAX = PCB
.global sched_remove
sched_remove:
    add eax, PCB_DWCS

; dwcs_remove: takes a process out of its queue.
;   in    EAX = DWCS
;   out   EAX kept
.global dwcs_remove
dwcs_remove:
    call ring_remove
    mov dword ptr [eax + DWCS_NEXT], 0
    ret

.data

.align 4
dwcs_windows:                   ; the queues: their heads, of which only these two fields are there
    .long dwcs_windows          ; DWCS_NEXT
    .long dwcs_windows          ; DWCS_PREVIOUS
dwcs_rest:
    .long dwcs_rest             ; DWCS_NEXT
    .long dwcs_rest             ; DWCS_PREVIOUS

.assert DWCS_NEXT == LINK_NEXT && DWCS_PREVIOUS == LINK_PREV, "a DWCS begins with a LINK, as the heads do"

.bss

.global slot, slot_open

.align 4
slot:                           ; which one it is
    .space 4
slot_open:                      ; not 0: nobody has been picked in it
    .space 4
slot_account:                   ; else the DWCS whose slot it is, or 0
    .space 4
slot_process:                   ; and the PCB that keeps it as long as it can run, or 0
    .space 4
