; Upcalls: what the kernel tells, and who runs then.
;
; Owns the threads that are in the kernel, blocked or unblocked, the virtual processor and its lock.
;
; An upcall begins on the stack of whom it interrupts, with the lock held and every register the interrupted code's:
;
;     previous ESP ->  the interrupted code's stack
;     UPCALL_ESP   ->  previous EIP               to return to, by RET
;                      ids, UPCALL                the kernel's (UPCALL in guest/abi)
;                      EAX ECX EDX flags          UPCALL_SAVE's; no other register is touched on the way back
;     ESP ->           EBX
;
; So an interrupted thread is preempted in the middle of an upcall by nothing but a call of core_wait, and it comes back
; to the end of that upcall when it runs again. No system call is needed for either.

.include "lib/threads/threads.inc"

STACK = 2048                    ; bytes of the stack of those who have no other: new activations, and the idle thread
SAVED = 5 * 4                   ; bytes that UPCALL_SAVE pushes
INNER = SAVED + 4               ; with the return address of a routine that is called then

.macro UPCALL_SAVE
    push eax
    push ecx
    push edx
    pushfd
    push ebx
.endm

.text

; thread_init: the program runs on a virtual processor from now on, as its main thread.
;   out   EAX = 0; or CF set and the kernel's error in EAX
.global thread_init
thread_init:
    push ebx
    mov ebx, upcall_init
    mov eax, SYS_SA_INIT
    call dword ptr [syscall]
    pop ebx
    cmp eax, 1                  ; CF: it is 0
    cmc
    ret

; upcall_unblock: the kernel's unblock entry: threads can go on.
upcall_unblock:
    UPCALL_SAVE
    call upcall_listed
    mov eax, [thread_current]
    cmp eax, thread_idle
    je upcall_idle_ends
    call sched_preempts
    jc upcall_preempt

; upcall_return: goes back to what the upcall has interrupted.
;   in    ESP as UPCALL_SAVE leaves it, the lock held
upcall_return:
    UNLOCK
    pop ebx
    popfd
    pop edx
    pop ecx
    pop eax
    mov esp, [esp + UPCALL_ESP]
    ret

; upcall_preempt: what the upcall has interrupted could go on, but another is more urgent.
upcall_preempt:
    mov eax, [thread_current]
    call sched_preempted

; upcall_leave: others run; what the upcall has interrupted goes on later.
upcall_leave:
    cld                         ; the others rely on it, the interrupted code has its own among the flags
    call core_wait
    jmp upcall_return

; upcall_timer: the kernel's timer entry: the running thread has had its share.
upcall_timer:
    UPCALL_SAVE
    call upcall_listed
    mov eax, [thread_current]
    cmp eax, thread_idle
    je upcall_idle_ends
    call sched_ready
    jmp upcall_leave

; upcall_block: the kernel's block entry: the running thread has blocked, and another activation goes on.
upcall_block:
    UPCALL_SAVE
    mov edx, [thread_current]
    mov eax, [esp + SAVED + UPCALL_BLOCKED]
    mov [edx + UT_ACTIVATION], eax
    mov dword ptr [edx + UT_STACK], 0
    and eax, UT_BUCKETS - 1
    mov ecx, [inside_table + eax * 4]
    mov [edx + UT_INSIDE], ecx
    mov [inside_table + eax * 4], edx
    inc dword ptr [inside_count]
    call upcall_listed
    cmp dword ptr [esp + SAVED + UPCALL_KIND], UPCALL_RESTARTED
    jne core_pick               ; a new activation has nothing to go back to
    mov eax, [esp + SAVED + UPCALL_CURRENT]
    call inside_find

; upcall_comes_back: the kernel has let a thread go on by itself, with this upcall. It becomes ready like others.
;   in    EAX = thread, ECX as inside_find leaves it, ESP as UPCALL_SAVE leaves it, the lock held
upcall_comes_back:
    call inside_remove
    mov [thread_current], eax
    cmp dword ptr [eax + UT_STACK], 0
    jne upcall_leave            ; it is among the ready already
    call sched_unblocked
    jmp upcall_leave

; upcall_idle_ends: the upcall has interrupted the idle thread, or has come instead of it.
;   in    ESP as UPCALL_SAVE leaves it, the lock held
upcall_idle_ends:
    mov eax, [esp + SAVED + UPCALL_CURRENT]
    call inside_find
    test eax, eax
    jnz upcall_comes_back
    jmp core_pick               ; the idle thread begins anew each time

; upcall_listed: the threads whose activations an upcall lists become ready.
;   in    ESP, when this is called, as UPCALL_SAVE leaves it, the lock held
upcall_listed:
    xor ebx, ebx
.Lnext:
    cmp ebx, [esp + INNER + UPCALL_COUNT]
    jae .Lreturn
    mov eax, [esp + INNER + UPCALL_SIZE + ebx * 4]
    inc ebx
    call inside_find
    test eax, eax
    jz .Lnext                   ; it has gone on meanwhile
    mov dword ptr [eax + UT_STACK], upcall_restart_resume
    call sched_unblocked
    jmp .Lnext
.Lreturn:
    ret

; inside_find: the thread in the kernel that has an activation.
;   in    EAX = the activation's id
;   out   EAX = thread, or 0; ECX = whose UT_INSIDE leads there, for inside_remove
inside_find:
    mov ecx, eax
    and ecx, UT_BUCKETS - 1
    lea ecx, [inside_table - UT_INSIDE + ecx * 4]        ; as if the chain's head were the link of a thread
.Lnext:
    mov edx, [ecx + UT_INSIDE]
    test edx, edx
    jz .Lreturn
    cmp [edx + UT_ACTIVATION], eax
    je .Lreturn
    mov ecx, edx
    jmp .Lnext
.Lreturn:
    mov eax, edx
    ret

; inside_remove: a thread leaves the kernel.
;   in    EAX = thread, ECX as inside_find leaves it
;   out   EAX kept
inside_remove:
    mov edx, [eax + UT_INSIDE]
    mov [ecx + UT_INSIDE], edx
    mov dword ptr [eax + UT_ACTIVATION], 0
    dec dword ptr [inside_count]
    ret

; upcall_restart: a thread whose activation is unblocked runs: this activation ends, that one returns from the call that
; has blocked it, still with the lock held.
upcall_restart:
    mov esp, upcall_stack
    mov eax, [thread_current]
    mov eax, [eax + UT_ACTIVATION]
    mov esi, eax
    call inside_find
    call inside_remove
    mov eax, SYS_SA_CONTROL
    mov ebx, SA_RESTART_UNBLOCKED
    call dword ptr [syscall]
    ud2                         ; it was not to be restarted, so nothing that this file knows is true

; upcall_deliver: an upcall that was delayed comes now.
;   out   all registers kept, CF clear
.global upcall_deliver
upcall_deliver:
    push eax
    push ecx
    push edx
    push ebx
    mov dword ptr [thread_vp + SA_VP_PENDING], 0
    mov eax, SYS_SA_CONTROL
    mov ebx, SA_DELIVER
    call dword ptr [syscall]
    pop ebx
    pop edx
    pop ecx
    pop eax
    clc
    ret

; upcall_idle: nobody is ready: gives the virtual processor back until somebody is. It comes here anew each time, since
; an upcall never returns to it: so none is lost between the look and the call.
upcall_idle:
    mov esp, upcall_stack
    cmp dword ptr [inside_count], 0
    je .Lend
.Lwait:
    UNLOCK
    mov eax, SYS_SA_REVOKE
    call dword ptr [syscall]
    jmp .Lwait
.Lend:
    xor eax, eax
    cmp [thread_count], eax
    je sys_exit                 ; the last thread has ended
    mov eax, text_deadlock
    mov edx, text_deadlock_end - text_deadlock
    call sys_write
    mov eax, 1
    jmp sys_exit

; thread_slice: from now on a thread that has run for long lets others run, too.
;   in    EAX = cycles, 0 for no end
.global thread_slice
thread_slice:
    push ebx
    mov ebx, eax
    mov eax, SYS_SA_TIMER
    call dword ptr [syscall]
    pop ebx
    ret

.rodata

text_deadlock:
    .ascii "deadlock: no thread can run\n"
text_deadlock_end:

.align 4
upcall_init:                    ; SA_INIT
    .long 0                     ; flags
    .long 1                     ; virtual processors:
    .long thread_vp             ;   this one
    .long upcall_block
    .long upcall_unblock
    .long upcall_timer
    .space SA_INIT_SIZE - SA_INIT_SECOND    ; no second stack, and not the original model
.assert SA_INIT_SECOND == 6 * 4, "upcall_init is written in another order"

.data

.global thread_vp, thread_idle

.align 4
thread_vp:                      ; SA_VP
    .long 0, 0                  ; lock, pending
    .long upcall_stack
    .space SA_VP_SIZE - SA_VP_SECOND
thread_idle:                    ; a UT, of which the core uses nothing but UT_STACK
    .long upcall_idle_resume
    .space UT_SIZE - 4
upcall_idle_resume:             ; RESUME
    .long 0, 0, 0, 0, upcall_idle
upcall_restart_resume:          ; RESUME
    .long 0, 0, 0, 0, upcall_restart
.assert UT_STACK == 0 && RESUME_EIP == 4 * 4 && SA_VP_STACK == 2 * 4, "these are written in another order"

.bss

.align 4
inside_table:                   ; chains of threads in the kernel, by their activations
    .space UT_BUCKETS * 4
inside_count:                   ; how many they are
    .space 4
    .space STACK
upcall_stack:                   ; for new activations, for the idle thread, and for restarts: never two at once
