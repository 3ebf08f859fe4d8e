; Waiting: one mechanism for whatever a thread waits for.
;
; Owns how a thread leaves the processor to stand in a ring (ring.asm). Whoever has something to wait for has the head of
; one; a thread stands in it with its ACT_LINK, the first has waited longest. The heads are others': pipe.asm, sleep.asm,
; threads.asm.
;
; An activation that waits is its program's business, too: activation_blocks says who runs in its place, and
; activation_wakes whether it goes on when its wait is over.

.include "activations.inc"

.text

; wait_block: the running thread waits.
;   in    EAX = head of the ring at whose end it stands, or a link in it before which it stands
;   out   when it goes on: CF clear: somebody called wait_wake
;         CF set: not so; EAX = ERR_INTERRUPTED: a signal is to be handled, or ERR_MEMORY: it never began to wait
.global wait_block
wait_block:
    CURRENT edx
    test dword ptr [edx + ACT_WORK], WORK_SIGNAL | WORK_END
    jnz .Linterrupted
    cmp dword ptr [edx + ACT_VP], 0
    je wait_plain
    push eax
    mov eax, edx
    call activation_blocks      ; EAX = who runs instead, or 0
    pop edx
    jc .Lreturn
    xchg eax, edx               ; EAX = head, EDX = who
    jmp wait_instead
.Linterrupted:
    mov eax, ERR_INTERRUPTED
    stc
.Lreturn:
    ret

; wait_plain: the same, without a word to its program if it is an activation.
;   in    EAX = as above
;   out   as above
.global wait_plain
wait_plain:
    xor edx, edx

; wait_instead: likewise, and says who gets the processor.
;   in    EAX = as above; EDX = TCB, in no queue, or 0: the scheduler chooses
;   out   as above
.global wait_instead
wait_instead:
    push ebx
    mov ebx, edx
    CURRENT edx
    mov dword ptr [edx + TCB_STATE], THREAD_WAITING
    add edx, ACT_LINK
    call ring_append
    mov eax, ebx
    test eax, eax
    jnz .Lswitch
    call sched_pick
.Lswitch:
    call switch_to
    CURRENT edx
    mov eax, [edx + ACT_RESULT]
    xor edx, edx
    cmp edx, eax                ; CF: it is not 0
    pop ebx
    ret

; wait_wake: the first thread of a ring goes on, if there is one.
;   in    EAX = head
.global wait_wake
wait_wake:
    mov edx, [eax + LINK_NEXT]
    cmp edx, eax
    je .Lnobody
    mov eax, edx
    call ring_remove
    and eax, ~(TCB_AREA - 1)    ; the TCB around the link
    mov dword ptr [eax + ACT_RESULT], 0
    jmp wait_over
.Lnobody:
    ret

; wait_interrupt: a thread that waits goes on, without what it has waited for.
;   in    EAX = TCB, THREAD_WAITING
.global wait_interrupt
wait_interrupt:
    add eax, ACT_LINK
    call ring_remove
    sub eax, ACT_LINK
    mov dword ptr [eax + ACT_RESULT], ERR_INTERRUPTED

; wait_over: its wait is over. If its process ends it goes on in any case, to its own end.
;   in    EAX = TCB, in no ring any more
wait_over:
    cmp dword ptr [eax + ACT_VP], 0
    je sched_ready
    test dword ptr [eax + ACT_WORK], WORK_END
    jnz sched_ready
    jmp activation_wakes
