; Activations and virtual processors (V. Danjean, R. Namyst: Controlling Kernel Scheduling from User Space, 2003).
;
; Owns the virtual processors of a process (VP in guest/abi), and which of its activations runs on each. An activation is
; a thread that has a VP. One of them runs on it, VP_CURRENT; the others are blocked, or unblocked: they could go on, but
; stay where they are in the kernel until their program says so, or until a VP has nobody else. What the program is told
; is upcall.asm's; the original model, in which no activation survives its event, is original.asm's.
;
;                blocks, and the lock is free               its wait is over
;     current  -------------------------------->  blocked  ------------------>  unblocked: untold, then told
;        ^                                                                          |
;        +--------------------------------------------------------------------------+
;                  SYS_SA_CONTROL; or the current one has blocked or ended
;
; One that blocks while the lock is held stays current: nobody is told, and the VP waits with it. If there is a second
; stack it becomes VP_HOLDER instead, and a new one runs on that stack until the holder's wait is over.

.include "activations.inc"

BLOCKED = -1                    ; no system call's number

.assert SA_PLACE + SA_INIT_SIZE + SA_VP_MAX * VP_SIZE <= PAGE_SIZE, "PROCESS_SA is one frame"

.text

; activation_blocks: the running activation is about to wait.
;   in    EAX = TCB, which has a VP
;   out   EAX = TCB of the one that runs in its place, in no queue, or 0: the scheduler chooses
;         CF set: it must not wait; EAX = ERR_MEMORY
;
; In FRAME_EAX, where the number of its system call stood, is BLOCKED from when its program is told so. If it is there
; already it has to wait again in the same call, and has not been in the program since it went on: so the lock, if it is
; held, is not held by it, and the program has to know. But if it has not even told for whom it goes on, the program never
; knew that it did: then the next one tells that, and what the program knows of this one stays true (ACT_KNOWN).
.global activation_blocks
activation_blocks:
    push ebx
    push esi
    push edi
    mov edi, eax
    mov ebx, [edi + ACT_VP]
    cmp [ebx + VP_CURRENT], edi
    jne .Lother
    mov esi, [ebx + VP_BLOCKED]
    test esi, esi
    jnz .Lnext
    cmp dword ptr [edi + USER_FRAME + FRAME_EAX], BLOCKED
    je .Ltell
    mov ecx, [ebx + VP_USER]
    cmp dword ptr [ecx + SA_VP_LOCK], 0
    jne .Llocked
.Ltell:
    mov eax, [edi + TCB_NUMBER]
    mov [ebx + VP_BLOCKED], eax

    mov dword ptr [edi + ACT_KNOWN], 0
.Lnext:
    call vp_next
    jc .Lno_memory
    mov dword ptr [edi + USER_FRAME + FRAME_EAX], BLOCKED
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret
.Lno_memory:
    mov [ebx + VP_BLOCKED], esi
    jmp .Lreturn

    ; Locked, with a second stack that is free: a new one there; without memory for it, as without a second stack.
.Llocked:
    SETTINGS edx
    cmp dword ptr [edx + SA_INIT_SECOND], 0
    je .Lnobody
    cmp dword ptr [ebx + VP_HOLDER], 0
    jne .Lnobody
    mov esi, ecx
    mov ecx, [esi + SA_VP_SECOND]
    jecxz .Lnobody
    call vp_make
    jc .Lnobody
    mov dword ptr [esi + SA_VP_SECOND], 0
    mov [ebx + VP_HOLDER], edi
    mov ecx, [edi + TCB_NUMBER]
    mov [ebx + VP_BLOCKED], ecx
    mov dword ptr [edi + ACT_KNOWN], 0
    mov esi, eax
    call vp_run
    mov eax, UPCALL_NEW | UPCALL_SECOND
    call upcall_begin
    mov eax, esi
    clc
    jmp .Lreturn
.Lnobody:
    xor eax, eax
    jmp .Lreturn

    ; Not the current one. In the original model it was to finish its call, and has to wait again: who waited for that
    ; goes on. Else it comes from the second stack and has lost its VP to the holder.
.Lother:
    call vp_finishing
    jmp .Lreturn

; activation_wakes: the wait of an activation is over.
;   in    EAX = TCB, which has a VP, in no ring
.global activation_wakes
activation_wakes:
    mov edx, [eax + ACT_VP]
    mov ecx, [edx + VP_CURRENT]
    cmp ecx, eax
    je sched_ready              ; nobody was told that it waits
    test ecx, ecx
    jz .Lalone
    cmp [edx + VP_HOLDER], eax
    je .Lholder

    ; It is unblocked. The current one tells when it next goes back to the program; if it sleeps it is woken for that.
    mov dword ptr [eax + TCB_STATE], THREAD_UNBLOCKED
    cmp dword ptr [eax + ACT_KNOWN], 0
    jne .Lknown
    or dword ptr [ecx + ACT_WORK], WORK_UPCALL
    push edx
    mov ecx, edx
    and ecx, PAGE_MASK
    test dword ptr [ecx + SA_PLACE + SA_INIT_FLAGS], SA_ORIGINAL
    lea ecx, [edx + VP_UNTOLD]
    jz .Lappend
    lea ecx, [edx + VP_WOKEN]
    or dword ptr [eax + ACT_WORK], WORK_UPCALL      ; stops it when it has finished
.Lappend:
    lea edx, [eax + ACT_LINK]
    mov eax, ecx
    call ring_append
    pop eax
    add eax, VP_REVOKED
    jmp wait_wake

    ; As the program has thought all the time.
.Lknown:
    lea ecx, [eax + ACT_LINK]
    lea eax, [edx + VP_TOLD]
    mov edx, ecx
    jmp ring_append

    ; The lock's holder takes its VP back. The one from the second stack is unblocked from when it next gets to its way
    ; back to the program; at once, if it sleeps.
.Lholder:
    mov dword ptr [edx + VP_HOLDER], 0
    or dword ptr [ecx + ACT_WORK], WORK_UPCALL
    mov dword ptr [ecx + ACT_KNOWN], 0
    push edx
    call .Lalone
    pop eax
    add eax, VP_REVOKED
    jmp wait_wake

    ; It runs, with something to tell.
.Lalone:
    mov [edx + VP_CURRENT], eax
    mov dword ptr [edx + VP_ALONE], 1
    or dword ptr [eax + ACT_WORK], WORK_UPCALL
    jmp sched_ready

; activation_gone: the running activation has ended.
;   in    EAX = TCB, which has a VP
;   out   EAX = TCB of the one that runs in its place, in no queue, or 0: the scheduler chooses
.global activation_gone
activation_gone:
    push ebx
    mov ebx, [eax + ACT_VP]
    mov eax, [ebx + VP_HOLDER]
    mov dword ptr [ebx + VP_HOLDER], 0
    mov [ebx + VP_CURRENT], eax ; the lock's holder, which still waits: as if nobody had been told
    test eax, eax
    jnz .Lholder
    call vp_unblocked
    jz .Lreturn
    call vp_run
    call .Ltell
.Lreturn:
    pop ebx
    ret
.Lholder:
    call .Ltell
    xor eax, eax
    jmp .Lreturn
.Ltell:
    mov dword ptr [ebx + VP_ALONE], 1
    or dword ptr [eax + ACT_WORK], WORK_UPCALL
    ret

; vp_run: an activation gets a VP.
;   in    EBX = VP, EAX = TCB
;   out   EAX kept
.global vp_run
vp_run:
    mov [ebx + VP_CURRENT], eax
    mov [eax + ACT_VP], ebx
    mov dword ptr [ebx + VP_ALONE], 0
    lea edx, [ebx + VP_UNTOLD]
    cmp [edx + LINK_NEXT], edx
    je .Ltimer
    or dword ptr [eax + ACT_WORK], WORK_UPCALL
.Ltimer:
    cmp dword ptr [ebx + VP_BUDGET], 0
    jne upcall_budget
    ret

; vp_next: who runs when the current activation has blocked: one that is unblocked, else a new one; in the original model
; always a new one.
;   in    EBX = VP of the running process; VP_BLOCKED: of whom it will tell
;   out   EAX = TCB, in no queue; CF set: EAX = ERR_MEMORY
.global vp_next
vp_next:
    SETTINGS edx
    test dword ptr [edx + SA_INIT_FLAGS], SA_ORIGINAL
    jnz vp_new
    call vp_unblocked
    jz vp_new
    call vp_run
    or dword ptr [eax + ACT_WORK], WORK_UPCALL
    clc
    ret

; vp_new: a new activation, and the upcall with which it begins.
;   in    EBX = VP of the running process; VP_BLOCKED: of whom it tells, or 0: the VP begins
;   out   EAX = TCB, in no queue; CF set: EAX = ERR_MEMORY
.global vp_new
vp_new:
    SETTINGS edx
    test dword ptr [edx + SA_INIT_FLAGS], SA_ORIGINAL
    jnz original_new
    mov ecx, [ebx + VP_USER]
    mov ecx, [ecx + SA_VP_STACK]
    call vp_make
    jc .Lreturn
    call vp_run
    push esi
    mov esi, eax
    call vp_kind
    call upcall_begin
    mov eax, esi
    pop esi
    clc
.Lreturn:
    ret

; vp_kind: what a new activation tells first.
;   in    EBX = VP
;   out   EAX = UPCALL_START or UPCALL_NEW; all others kept
.global vp_kind
vp_kind:
    mov eax, UPCALL_START
    cmp dword ptr [ebx + VP_BLOCKED], 0
    je .Lreturn
    mov eax, UPCALL_NEW
.Lreturn:
    ret

; vp_make: a new activation that nobody has told what to do.
;   in    EBX = VP of the running process, ECX = its stack pointer
;   out   EAX = TCB, in no queue, that starts at address 0; CF set: EAX = ERR_MEMORY
.global vp_make
vp_make:
    CURRENT_PROCESS eax
    xor edx, edx
    call thread_make
    jc .Lno_memory
    mov [eax + ACT_VP], ebx
    ret
.Lno_memory:
    mov eax, ERR_MEMORY
    ret

; vp_unblocked: takes an unblocked activation out of its ring: one of the VP's own, else one of the others'; one that the
; program knows of, else one that it was not told of; the oldest.
;   in    EBX = VP
;   out   EAX = TCB; ZF set: there is none, EAX = 0
vp_unblocked:
    call vp_oldest
    jnz .Lreturn
    push ebx
    push esi
    SETTINGS edx
    mov esi, [edx + SA_INIT_COUNT]
    lea ebx, [edx + SA_INIT_SIZE]
.Lvp:
    call vp_oldest
    jnz .Lfound
    add ebx, VP_SIZE
    dec esi
    jnz .Lvp
.Lfound:
    pop esi
    pop ebx
.Lreturn:
    ret

; vp_oldest: the same, of one VP.
;   in    EBX = VP
;   out   as above
vp_oldest:
    lea eax, [ebx + VP_TOLD]
    call vp_take
    jnz .Lreturn
    lea eax, [ebx + VP_UNTOLD]
    call vp_take
    jnz .Lreturn
    lea eax, [ebx + VP_WOKEN]
    jmp vp_take
.Lreturn:
    ret

; vp_take: the first thread of a ring, taken out of it.
;   in    EAX = head
;   out   EAX = TCB; ZF set: there is none, EAX = 0
.global vp_take
vp_take:
    mov edx, [eax + LINK_NEXT]
    cmp edx, eax
    je .Lnone
    mov eax, edx
    call ring_remove
    and eax, ~(TCB_AREA - 1)    ; not 0: the TCB around the link
    ret
.Lnone:
    mov eax, 0                  ; ZF stays
    ret

; vp_finishing: takes out the activation that waits for another one to finish its call.
;   in    EBX = VP
;   out   EAX = TCB or 0; CF clear
.global vp_finishing
vp_finishing:
    lea eax, [ebx + VP_FINISHING]
    call vp_take
    clc
    ret
