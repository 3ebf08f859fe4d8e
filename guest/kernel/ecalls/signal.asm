; Signals: which are pending, and which comes next.
;
; Owns a process's SIGS and the queue of its real-time signals. Whoever sends one calls signal_queue, at any time; who
; gets it finds DUE_SIGNAL in its PCB_DUE on the way back to the program, and then signal_work does it.
;
; The order is the paper's: SIGKILL and SIGSTOP, then real-time signals, SIGRTMIN first, then the ordinary ones, the
; lowest first. Of those that are pending together the most urgent one's handler is entered, and no other on the same way
; back: so it runs first. The next one comes when it has ended; or at its next crossing, if it does not block it.
;
;     SIGS_TABLE -> SIGTABLE  actions
;                             fifos  ... -SIGFIFO_FIRST-> SIGENTRY -NEXT-> SIGENTRY -NEXT-> 0
;                                        -SIGFIFO_LAST----------------------^
;                             free       -> SIGENTRY -NEXT-> ... -> 0

.include "ecalls.inc"

.text

; signal_queue: a signal for a process. It is dropped if that does not want it.
;   in    EAX = PCB, EDX = signal, ECX = its value, which ordinary signals do not keep
;   out   CF set: it is lost, there is no room in the queue; not for ordinary signals
.global signal_queue
signal_queue:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, [ebx + PCB_SIGNALS + SIGS_TABLE]
    cmp edx, SIGRTMIN
    jb .Lordinary

    ; A real-time signal: an entry at the end of its queue.
    test esi, esi
    jz .Ltable
.Lqueue:
    mov edi, edx
    shl edi, SIGACTION_SHIFT
    cmp dword ptr [esi + edi + SIGTABLE_ACTIONS + SIGACTION_HANDLER], SIG_IGN
    je .Ldropped
    mov eax, [esi + SIGTABLE_FREE]
    test eax, eax
    jz .Llost
    mov edi, [eax + SIGENTRY_NEXT]
    mov [esi + SIGTABLE_FREE], edi
    mov [eax + SIGENTRY_VALUE], ecx
    mov dword ptr [eax + SIGENTRY_NEXT], 0
    lea esi, [esi + edx * SIGFIFO_SIZE + SIGTABLE_FIFOS - SIGRTMIN * SIGFIFO_SIZE]
    mov ecx, [ebx + PCB_SIGNALS + SIGS_PENDING_RT]
    bts ecx, edx                ; modulo 32
    mov edi, [esi + SIGFIFO_LAST]
    mov [esi + SIGFIFO_LAST], eax
    jc .Lbehind
    mov [ebx + PCB_SIGNALS + SIGS_PENDING_RT], ecx
    mov [esi + SIGFIFO_FIRST], eax
    jmp .Lpending
.Lbehind:
    mov [edi + SIGENTRY_NEXT], eax

    ; It is pending: who waits for it is woken, or whoever does not block it.
.Lpending:
    mov ecx, edx
    shr ecx, 5                  ; which word of two
    mov eax, [ebx + ecx * 4 + PCB_SIGNALS + SIGS_WAITED]
    bt eax, edx
    jc .Lwake
    mov eax, [ebx + ecx * 4 + PCB_SIGNALS + SIGS_BLOCKED]
    bt eax, edx
    jc .Ldropped
    or dword ptr [ebx + PCB_DUE], DUE_SIGNAL
.Lwake:
    mov eax, ebx
    call wait_wake
.Ldropped:
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

    ; An ordinary one: a bit. First what it does when it comes, whatever becomes of it.
.Lordinary:
    mov eax, 1
    mov ecx, edx
    shl eax, cl
    test eax, SIGNALS_FIRST | SIGNALS_STOP | 1 << SIGCONT
    jnz .Lcontrol
.Laction:
    xor ecx, ecx                ; SIG_DFL
    test esi, esi
    jz .Lhandler
    mov edi, edx
    shl edi, SIGACTION_SHIFT
    mov ecx, [esi + edi + SIGTABLE_ACTIONS + SIGACTION_HANDLER]
.Lhandler:
    cmp ecx, SIG_IGN
    ja .Lkeep
    je .Ldropped
    test eax, SIGNALS_DROPPED
    jnz .Ldropped
.Lkeep:
    or [ebx + PCB_SIGNALS + SIGS_PENDING], eax
    jmp .Lpending
.Lcontrol:
    test eax, 1 << SIGKILL | 1 << SIGCONT
    jz .Lstop
    and dword ptr [ebx + PCB_SIGNALS + SIGS_PENDING], ~SIGNALS_STOP
    cmp dword ptr [ebx + TCB_STATE], THREAD_STOPPED
    jne .Laction
    push eax
    push edx
    mov eax, ebx
    call sched_ready
    pop edx
    pop eax
    jmp .Laction
.Lstop:
    and dword ptr [ebx + PCB_SIGNALS + SIGS_PENDING], ~(1 << SIGCONT)
    jmp .Laction

    ; Only for the first one that is queued, if the process has no handlers.
.Ltable:
    push edx
    push ecx
    mov eax, ebx
    call signal_table
    pop ecx
    pop edx
    mov esi, eax
    jnc .Lqueue
.Llost:
    inc dword ptr [ebx + PCB_SIGNALS + SIGS_LOST]
    stc
    jmp .Lreturn

; signal_table: the table of a process.
;   in    EAX = PCB
;   out   EAX = SIGTABLE; CF set: out of memory
.global signal_table
signal_table:
    mov ecx, [eax + PCB_SIGNALS + SIGS_TABLE]
    test ecx, ecx
    jz .Lnew
    mov eax, ecx                ; CF is clear
    ret
.Lnew:
    push eax
    call frame_alloc
    pop edx
    jc .Lreturn
    mov [edx + PCB_SIGNALS + SIGS_TABLE], eax
    lea edx, [eax + SIGTABLE_ENTRIES]
    mov [eax + SIGTABLE_FREE], edx
    mov ecx, SIGQUEUE_MAX - 1
.Lentry:
    lea edx, [edx + SIGENTRY_SIZE]
    mov [edx - SIGENTRY_SIZE + SIGENTRY_NEXT], edx
    dec ecx
    jnz .Lentry
    clc
.Lreturn:
    ret

; signal_take: takes the most urgent signal of a set.
;   in    EBP = PCB, EAX = bit n: signal n, EDX = bit n: signal 32 + n
;   out   EAX = signal, EDX = its value; CF set: none of them is pending
.global signal_take
signal_take:
    and eax, [ebp + PCB_SIGNALS + SIGS_PENDING]
    test eax, SIGNALS_FIRST
    jnz .Lfirst
    and edx, [ebp + PCB_SIGNALS + SIGS_PENDING_RT]
    jz .Lordinary

    ; The first in the queue of the lowest.
    push ebx
    push esi
    bsf ecx, edx
    mov ebx, [ebp + PCB_SIGNALS + SIGS_TABLE]
    lea esi, [ebx + ecx * SIGFIFO_SIZE + SIGTABLE_FIFOS]
    mov eax, [esi + SIGFIFO_FIRST]
    mov edx, [eax + SIGENTRY_NEXT]
    mov [esi + SIGFIFO_FIRST], edx
    test edx, edx
    jnz .Lmore
    mov edx, [ebp + PCB_SIGNALS + SIGS_PENDING_RT]
    btr edx, ecx
    mov [ebp + PCB_SIGNALS + SIGS_PENDING_RT], edx
.Lmore:
    mov edx, [ebx + SIGTABLE_FREE]
    mov [eax + SIGENTRY_NEXT], edx
    mov [ebx + SIGTABLE_FREE], eax
    mov edx, [eax + SIGENTRY_VALUE]
    lea eax, [ecx + SIGRTMIN]
    pop esi
    pop ebx
    clc
    ret

.Lfirst:
    and eax, SIGNALS_FIRST
.Lordinary:
    bsf eax, eax
    jz .Lnone
    mov ecx, [ebp + PCB_SIGNALS + SIGS_PENDING]
    btr ecx, eax
    mov [ebp + PCB_SIGNALS + SIGS_PENDING], ecx
    xor edx, edx                ; CF is clear
    ret
.Lnone:
    stc
    ret

; signal_due: looks whether a process has to handle signals, because what is blocked or pending is not what it was.
;   in    EBP = PCB
;   out   PCB_DUE; EAX kept
.global signal_due
signal_due:
    mov ecx, [ebp + PCB_SIGNALS + SIGS_BLOCKED]
    mov edx, [ebp + PCB_SIGNALS + SIGS_BLOCKED_RT]
    not ecx
    not edx
    and ecx, [ebp + PCB_SIGNALS + SIGS_PENDING]
    and edx, [ebp + PCB_SIGNALS + SIGS_PENDING_RT]
    and dword ptr [ebp + PCB_DUE], ~DUE_SIGNAL
    or ecx, edx
    jz .Lreturn
    or dword ptr [ebp + PCB_DUE], DUE_SIGNAL
.Lreturn:
    ret

; signals_end: a process ends.
;   in    EAX = PCB
.global signals_end
signals_end:
    mov eax, [eax + PCB_SIGNALS + SIGS_TABLE]
    test eax, eax
    jnz frame_free
    ret

.assert SIGTABLE_SIZE <= PAGE_SIZE, "a table is a frame"
.assert SIGACTION_SIZE == 1 << SIGACTION_SHIFT, "actions are found by a shift"
