; Upcalls: what a program is told of its activations, and how.
;
; Owns the frame of an upcall on the program's stack (UPCALL in guest/abi) and the lock that delays it. No register of
; the program is saved: it finds in the upcall what it would have found where it was going, but for EIP and ESP.
;
;     ESP before ->  .................
;     UPCALL_ESP ->  previous EIP              not in a new activation, where UPCALL_ESP is 0
;                    ids of the unblocked
;     ESP        ->  UPCALL
;
; On the second stack the UPCALL and the ids stand there, and the previous EIP where it is above.

.include "activations.inc"

.text

; upcall_work: makes the upcalls that the running activation has to make before it goes back to its program.
;   in    EAX = its trap frame, at USER_FRAME
;   out   when it goes back. WORK_UPCALL is still set if it could not tell everything because of the lock
.global upcall_work
upcall_work:
    push ebx
    push esi
    CURRENT esi
    mov ebx, [esi + ACT_VP]
.Lagain:
    cmp [ebx + VP_CURRENT], esi
    jne .Lpark
    SETTINGS edx
    test dword ptr [edx + SA_INIT_FLAGS], SA_ORIGINAL
    jnz .Loriginal
    mov eax, UPCALL_RESTARTED
    cmp dword ptr [ebx + VP_BLOCKED], 0
    jne .Ltell                  ; whatever the lock: the program cannot go on before it knows
    call upcall_what
    jz .Lnothing
    mov ecx, [ebx + VP_USER]
    cmp dword ptr [ecx + SA_VP_LOCK], 0
    jne .Llocked
.Ltell:
    call upcall_enter
    jmp .Lagain                 ; there may be more to tell
.Llocked:
    call upcall_delay
    jmp .Lreturn
.Lnothing:
    and dword ptr [esi + ACT_WORK], ~WORK_UPCALL
.Lreturn:
    pop esi
    pop ebx
    ret

.Loriginal:
    call original_work
    jmp .Lreturn

    ; Another activation has the VP: this one is unblocked. It goes on if it is chosen, or to its process's end.
.Lpark:
    call upcall_park
    mov ebx, [esi + ACT_VP]     ; perhaps another one
    test dword ptr [esi + ACT_WORK], WORK_END
    jz .Lagain
    jmp .Lreturn

; upcall_what: what is to be told when the lock is free?
;   in    EBX = VP
;   out   EAX = UPCALL_KIND; ZF set: nothing
.global upcall_what
upcall_what:
    mov eax, UPCALL_UNBLOCK
    cmp dword ptr [ebx + VP_ALONE], 0
    jne .Lreturn
    lea edx, [ebx + VP_UNTOLD]
    cmp [edx + LINK_NEXT], edx
    jne .Lreturn
    mov eax, UPCALL_TIMER
    cmp dword ptr [ebx + VP_DUE], 0
.Lreturn:
    ret

; upcall_park: the running activation, which is not the current one of its VP, becomes one of the unblocked.
;   in    EBX = VP, ESI = its TCB
;   out   when it runs again
upcall_park:
    mov eax, [ebx + VP_CURRENT]
    test eax, eax
    jz .Lalone
    or dword ptr [eax + ACT_WORK], WORK_UPCALL
    mov dword ptr [esi + TCB_STATE], THREAD_UNBLOCKED
    lea eax, [ebx + VP_UNTOLD]
    lea edx, [esi + ACT_LINK]
    call ring_append
    lea eax, [ebx + VP_REVOKED]
    call wait_wake
    call vp_finishing
    test eax, eax
    jnz switch_to
    jmp sched_leave

    ; The current one has ended meanwhile.
.Lalone:
    mov eax, esi
    call vp_run
    mov dword ptr [ebx + VP_ALONE], 1
    ret

; upcall_delay: an upcall has to wait for the lock. If it has waited for too long it comes on the second stack, for the
; program to know; it comes again when the lock is free.
;   in    EBX = VP, ESI = TCB of the running activation, EAX = UPCALL_KIND
.global upcall_delay
upcall_delay:
    mov ecx, [ebx + VP_USER]
    mov dword ptr [ecx + SA_VP_PENDING], 1
    SETTINGS edx
    cmp dword ptr [edx + SA_INIT_SECOND], 0
    je .Lreturn
    push edi
    mov edi, eax
    rdtsc
    cmp dword ptr [ebx + VP_DELAYED], 0
    jne .Lwaits
    mov dword ptr [ebx + VP_DELAYED], 1
    mov [ebx + VP_LATE], eax
.Lwaits:
    sub eax, [ebx + VP_LATE]
    SETTINGS edx
    cmp eax, [edx + SA_INIT_BOUND]
    jb .Lnot_yet
    mov ecx, [ebx + VP_USER]
    cmp dword ptr [ecx + SA_VP_SECOND], 0
    je .Lnot_yet
    add [ebx + VP_LATE], eax    ; now: the bound counts from here again
    mov eax, edi
    call upcall_late
.Lnot_yet:
    pop edi
.Lreturn:
    ret

; upcall_late: enters the program on the second stack.
;   in    EBX = VP, ESI = TCB of the running activation, EAX = UPCALL_KIND, ECX = SA_VP; EDI destroyed
upcall_late:
    or eax, UPCALL_SECOND
    push eax
    push ecx
    mov eax, [esi + USER_FRAME + FRAME_ESP]
    sub eax, 4
    mov edi, eax
    mov edx, 4
    mov ecx, PTE_U | PTE_W
    call memory_check
    jc memory_fault
    pop edx
    mov ecx, [edx + SA_VP_SECOND]
    mov dword ptr [edx + SA_VP_SECOND], 0
    pop eax
    jmp upcall_write

; upcall_enter: puts an upcall in front of what an activation goes on with.
;   in    EBX = VP, ESI = TCB, EAX = UPCALL_KIND; VP_BLOCKED: what has blocked, or 0
.global upcall_enter
upcall_enter:
    mov ecx, [esi + USER_FRAME + FRAME_ESP]
    sub ecx, 4
    push edi
    mov edi, ecx
    call upcall_write
    pop edi
    ret

; upcall_begin: the upcall with which a new activation begins.
;   in    as upcall_enter
.global upcall_begin
upcall_begin:
    mov ecx, [esi + USER_FRAME + FRAME_ESP]
    push edi
    xor edi, edi
    call upcall_write
    pop edi
    ret

; upcall_write: writes the frame and sets the lock.
;   in    EBX, ESI, EAX as above; ECX = where it ends; EDI = UPCALL_ESP
;   out   VP_BLOCKED is 0; EDI destroyed; does not return if it has no place: the program ends, as if it had pushed all that itself
upcall_write:
    push ebp
    push eax
    call upcall_count
    lea edx, [eax * 4 + UPCALL_SIZE]
    mov ebp, eax
    mov eax, ecx
    sub eax, edx
    cmp ecx, edi
    jne .Lcheck
    add edx, 4                  ; the previous EIP follows
.Lcheck:
    push eax
    mov ecx, PTE_U | PTE_W
    call memory_check
    jc upcall_no_place
; -- checked: from here on nothing can fail --
    pop ecx
    mov eax, [ebx + VP_NUMBER]
    mov [ecx + UPCALL_VP], eax
    mov eax, [esi + TCB_NUMBER]
    mov [ecx + UPCALL_CURRENT], eax
    mov [ecx + UPCALL_ESP], edi
    mov [ecx + UPCALL_COUNT], ebp
    mov eax, [ebx + VP_BLOCKED]
    mov [ecx + UPCALL_BLOCKED], eax
    mov dword ptr [ebx + VP_BLOCKED], 0
    pop eax
    mov [ecx + UPCALL_KIND], eax
    test edi, edi
    jz .Lnothing_before
    mov edx, [esi + USER_FRAME + FRAME_EIP]
    mov [edi], edx
.Lnothing_before:
    mov [esi + USER_FRAME + FRAME_ESP], ecx
    lea edi, [ecx + UPCALL_SIZE]
    mov edx, [ebx + VP_USER]
    mov dword ptr [edx + SA_VP_LOCK], 1
    call upcall_entry
    mov [esi + USER_FRAME + FRAME_EIP], edx
    call upcall_ids
    pop ebp
    ret

; upcall_no_place: an upcall cannot be written. If it was to be another activation's, which stands in no queue, that one
; has to be found when the process ends.
;   in    ESI = TCB, EAX, EDX as from memory_check
;   out   does not return
.global upcall_no_place
upcall_no_place:
    mov ebx, eax
    CURRENT ecx
    cmp ecx, esi
    je .Lown
    mov eax, esi
    mov esi, edx
    call sched_ready
    mov edx, esi
.Lown:
    mov eax, ebx
    jmp memory_fault

; upcall_entry: where the program wants to be entered.
;   in    EBX = VP, EAX = UPCALL_KIND
;   out   EDX = address; EAX kept
.global upcall_entry
upcall_entry:
    SETTINGS ecx
    mov edx, [ecx + SA_INIT_BLOCK]
    cmp eax, UPCALL_UNBLOCK
    jb .Lreturn
    mov edx, [ecx + SA_INIT_UNBLOCK]
    je .Lreturn
    mov edx, [ecx + SA_INIT_TIMER]
    cmp eax, UPCALL_TIMER
    je .Lreturn
    mov edx, [ecx + SA_INIT_SECOND]
.Lreturn:
    ret

; upcall_count: of how many unblocked activations will be told?
;   in    EBX = VP
;   out   EAX = how many; EDX destroyed, ECX kept
upcall_count:
    push ecx
    xor eax, eax
    cmp dword ptr [ebx + VP_ALONE], 0
    je .Lring
    inc eax
.Lring:
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

; upcall_ids: writes their ids. They are told now, but on the second stack, where this is known only to those who look.
;   in    EBX = VP, ESI = TCB of the current one, EAX = UPCALL_KIND, EBP = how many, EDI = where
;   out   EBP, EDI destroyed
upcall_ids:
    test eax, UPCALL_SECOND
    jnz .Lsecond
    cmp dword ptr [ebx + VP_ALONE], 0
    je .Lring
    call .Lcurrent
.Lring:
    dec ebp
    js upcall_told
    mov eax, [ebx + VP_UNTOLD + LINK_NEXT]
    mov edx, [eax - ACT_LINK + TCB_NUMBER]
    mov [edi], edx
    add edi, 4
    mov dword ptr [eax - ACT_LINK + ACT_KNOWN], 1
    call ring_remove
    mov edx, eax
    lea eax, [ebx + VP_TOLD]
    call ring_append
    jmp .Lring

.Lcurrent:
    mov edx, [esi + TCB_NUMBER]
    mov [edi], edx
    add edi, 4
    dec ebp
    ret

.Lsecond:
    cmp dword ptr [ebx + VP_ALONE], 0
    je .Lfrom
    call .Lcurrent
.Lfrom:
    lea ecx, [ebx + VP_UNTOLD]
.Lnext:
    dec ebp
    js .Lreturn
    mov ecx, [ecx + LINK_NEXT]
    mov edx, [ecx - ACT_LINK + TCB_NUMBER]
    mov [edi], edx
    add edi, 4
    jmp .Lnext
.Lreturn:
    ret

; upcall_told: so much is told. If it is not all, the lock, which is held now, delays the rest.
;   in    EBX = VP
.global upcall_told
upcall_told:
    xor eax, eax
    mov [ebx + VP_ALONE], eax
    mov [ebx + VP_DELAYED], eax
    cmp [ebx + VP_BUDGET], eax
    jne upcall_budget
    ret
