; The original model (T. Anderson, B. Bershad, E. Lazowska, H. Levy: Scheduler Activations, 1991), beside the new one.
;
; Owns what differs. Every event is told in a fresh activation on a fresh stack, which the program keeps ready (SA_STACK).
; An activation that has unblocked finishes its call in the kernel first; then its registers, and those of the activation
; that runs, are written to that stack (SA_STATE), and both activations are gone. The program goes on with what it
; likes by SYS_SA_RESTORE. The lock delays events as in the new model, which had no other answer to them than a program
; that can be entered again anywhere; who wants that frees the lock at once.
;
;     top of the SA_STACK ->
;                             SA_STATE         of the last of the unblocked
;                             SA_STATE ...     of the others
;                             SA_STATE         of the activation that ran, if one did
;     ESP                 ->  UPCALL           with UPCALL_ESP 0: it goes back to nobody

.include "activations.inc"

.text

; original_new: a new activation, and the upcall with which it begins.
;   in    EBX = VP of the running process; VP_BLOCKED: of whom it tells, or 0: the VP begins
;   out   EAX = TCB, in no queue; CF set: EAX = ERR_MEMORY: no memory, or no stack
.global original_new
original_new:
    push esi
    push edi
    push ebp
    call original_stack
    jc .Lno_stack
    push eax
    mov ecx, [eax + SA_STACK_TOP]
    call vp_make
    pop ecx
    jc .Lreturn
    mov dword ptr [ecx + SA_STACK_BUSY], 1
    call vp_run
    or dword ptr [eax + ACT_WORK], WORK_UPCALL      ; others may have been woken
    mov esi, eax
    mov ecx, [esi + USER_FRAME + FRAME_ESP]
    call vp_kind
    xor edi, edi                ; it has no state
    call original_write
    mov eax, esi
    clc
.Lreturn:
    pop ebp
    pop edi
    pop esi
    ret
.Lno_stack:
    mov eax, ERR_MEMORY
    jmp .Lreturn

; original_stack: looks for a free stack, behind the one that was found last.
;   in    EBX = VP
;   out   EAX = SA_STACK; CF set: there is none
original_stack:
    push esi
    SETTINGS edx
    mov esi, [edx + SA_INIT_STACK_COUNT]
    mov ecx, esi                ; how many are left to look at
    mov eax, [ebx + VP_SEARCH]
    mov edx, [edx + SA_INIT_STACKS]
.Lstack:
    inc eax
    cmp eax, esi
    jb .Lthere
    xor eax, eax
.Lthere:
    cmp dword ptr [edx + eax * SA_STACK_SIZE + SA_STACK_BUSY], 0
    je .Lfound
    dec ecx
    jnz .Lstack
    pop esi
    stc
    ret
.Lfound:
    mov [ebx + VP_SEARCH], eax
    lea eax, [edx + eax * SA_STACK_SIZE]
    pop esi
    clc
    ret

; original_work: as upcall_work, for the current activation of a VP.
;   in    EBX = VP, ESI = its TCB
;   out   when it goes back, or when it has other work to do
.global original_work
original_work:
    ; Those that were woken come first, one by one: the running one waits until they come here themselves and are parked.
    lea eax, [ebx + VP_WOKEN]
    call vp_take
    jz .Lfinished
    mov edx, eax
    lea eax, [ebx + VP_FINISHING]
    call wait_instead
    test dword ptr [esi + ACT_WORK], WORK_SIGNAL | WORK_END
    jz original_work
    ret

.Lfinished:
    call upcall_what
    jz .Lnothing
    mov ecx, [ebx + VP_USER]
    cmp dword ptr [ecx + SA_VP_LOCK], 0
    jne upcall_delay
    push eax
    call original_stack
    pop edx
    jc upcall_delay             ; until there is one
    call original_upcall
    jnc original_work           ; there may be more to tell
    jmp upcall_delay
.Lnothing:
    and dword ptr [esi + ACT_WORK], ~WORK_UPCALL
    ret

; original_upcall: the running activation hands out its state, and becomes a fresh one: it gets another id, for which
; there has to be memory.
;   in    EBX = VP, ESI = its TCB; EAX = SA_STACK; EDX = UPCALL_KIND
;   out   CF set: there was no memory
original_upcall:
    push edi
    push ebp
    push eax
    push edx
    mov ebp, [esi + TCB_NUMBER]
    mov eax, esi
    call number_new
    jc .Lno_memory
    lea eax, [esi + ACT_JOINERS]
    call wait_wake              ; they find that it has gone
    mov ecx, [esi + TCB_NUMBER]
    mov [esi + TCB_NUMBER], ebp
    push ecx
    mov eax, esi
    call number_free
    pop dword ptr [esi + TCB_NUMBER]
    pop eax                     ; the kind
    pop edx                     ; the stack
    mov dword ptr [edx + SA_STACK_BUSY], 1
    mov ecx, [edx + SA_STACK_TOP]
    mov edi, STOPPED_PREEMPTED
    cmp dword ptr [ebx + VP_ALONE], 0
    je .Lwrite
    mov edi, STOPPED_UNBLOCKED
.Lwrite:
    call original_write
    clc
.Lreturn:
    pop ebp
    pop edi
    ret
.Lno_memory:
    pop edx
    pop eax
    jmp .Lreturn

; original_write: writes an upcall with the states of those that have unblocked, sets the lock, and makes an activation
; begin there. All whose states it hands out are gone then.
;   in    EBX = VP; ESI = TCB of that activation; EAX = UPCALL_KIND; VP_BLOCKED: what has blocked, or 0
;         ECX = top of the stack
;         EDI = StateEvent of its own state, which goes under the id EBP; or 0: it has none
;   out   EDI, EBP destroyed; does not return if there is no place
original_write:
    push eax
    call original_count
    push eax
    imul edx, eax, SA_STATE_SIZE
    add edx, UPCALL_SIZE
    mov eax, ecx
    sub eax, edx
    push eax
    mov ecx, PTE_U | PTE_W
    call memory_check
    jc upcall_no_place
; -- checked: from here on nothing can fail --
    pop ecx
    mov dword ptr [ecx + UPCALL_ESP], 0
    pop dword ptr [ecx + UPCALL_COUNT]
    pop dword ptr [ecx + UPCALL_KIND]
    mov eax, [ebx + VP_BLOCKED]
    mov [ecx + UPCALL_BLOCKED], eax
    mov dword ptr [ebx + VP_BLOCKED], 0
    mov eax, [ebx + VP_NUMBER]
    mov [ecx + UPCALL_VP], eax
    mov eax, [esi + TCB_NUMBER]
    mov [ecx + UPCALL_CURRENT], eax
    push ecx
    call original_states
    pop ecx
    mov eax, [ecx + UPCALL_KIND]
    mov edi, ecx
    call upcall_entry
    call original_begin
    mov edx, [ebx + VP_USER]
    mov dword ptr [edx + SA_VP_LOCK], 1
    jmp upcall_told

; original_count: how many states will be handed out?
;   in    EBX = VP, EDI = 0: none of its own
;   out   EAX = how many; EDX destroyed, ECX kept
original_count:
    push ecx
    cmp edi, 1
    sbb eax, eax
    inc eax                     ; 0 without one of its own, else 1
    lea ecx, [ebx + VP_UNTOLD]
    mov edx, ecx
.Lnext:
    mov edx, [edx + LINK_NEXT]
    cmp edx, ecx
    je .Lreturn
    inc eax
    cmp eax, SA_EVENTS
    jb .Lnext
.Lreturn:
    pop ecx
    ret

; original_states: hands out states.
;   in    EBX, ESI, EDI, EBP as original_write, ECX = UPCALL
;   out   EDI, EBP destroyed
original_states:
    push esi
    push dword ptr [ecx + UPCALL_COUNT]
    lea ecx, [ecx + UPCALL_SIZE]
    xchg ebp, ecx
    test edi, edi
    jz .Lnext
    mov [ebp + SA_STATE_ACTIVATION], ecx
    mov [ebp + SA_STATE_EVENT], edi
    lea edi, [ebp + SA_STATE_REGS]
    add esi, USER_FRAME
    mov eax, gs                 ; the kernel uses neither: they are the program's
    mov edx, fs
    jmp .Lstore

.Lother:
    lea eax, [ebx + VP_UNTOLD]
    call vp_take
    mov esi, eax
    mov edx, [esi + TCB_NUMBER]
    mov [ebp + SA_STATE_ACTIVATION], edx
    mov dword ptr [ebp + SA_STATE_EVENT], STOPPED_UNBLOCKED
    lea eax, [esi + ACT_JOINERS]
    call wait_wake              ; they find that it has gone
    mov eax, esi
    mov edx, [esi + TCB_STACK]
    mov edi, [edx + SWITCH_GS]
    push dword ptr [edx + SWITCH_FS]
    call thread_unmake          ; its area stays as it is until somebody takes memory
    mov eax, edi
    pop edx
    lea edi, [ebp + SA_STATE_REGS]
    add esi, USER_FRAME
.Lstore:
    call regs_store
    add ebp, SA_STATE_SIZE
    dec dword ptr [esp]
.Lnext:
    cmp dword ptr [esp], 0
    jne .Lother
    pop eax
    pop esi
    ret

; original_begin: makes an activation begin.
;   in    ESI = TCB, EDX = its first instruction, EDI = its stack pointer
;   out   its other registers are zero
original_begin:
    add esi, USER_FRAME
    xor eax, eax
    .irp field, FRAME_EDI, FRAME_ESI, FRAME_EBP, FRAME_EBX, FRAME_EDX, FRAME_ECX, FRAME_EAX
    mov [esi + \field], eax
    .endr
    mov dword ptr [esi + FRAME_DS], SEL_UDATA
    mov dword ptr [esi + FRAME_ES], SEL_UDATA
    mov dword ptr [esi + FRAME_EFLAGS], FLAGS_USER
    mov [esi + FRAME_EIP], edx
    mov [esi + FRAME_ESP], edi
    sub esi, USER_FRAME
    CURRENT edx
    cmp edx, esi
    jne .Lreturn                ; a new one: null already
    mov gs, eax
    mov fs, eax
.Lreturn:
    ret

; sys_sa_restore: the running thread goes on with other registers; see syscall.asm for what a system call may rely on.
;   in    EBX = REGS, straight from the program
;   out   EAX = ERR_ADDRESS, or does not return
.global sys_sa_restore
sys_sa_restore:
    mov eax, ebx
    mov edx, REGS_SIZE
    mov ecx, PTE_U
    call memory_check
    jc .Lrefused
    CURRENT edx
    mov edx, [edx + ACT_VP]
    test edx, edx
    jz regs_load
    mov edx, [edx + VP_USER]
    mov dword ptr [edx + SA_VP_LOCK], 0
    jmp regs_load
.Lrefused:
    mov eax, ERR_ADDRESS
    ret
