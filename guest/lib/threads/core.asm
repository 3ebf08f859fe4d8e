; The core thread system: threads, and how they change.
;
; Owns thread_current and the lock's hand-over. A policy (policy_*.asm) decides who runs, by five routines:
;
;     find_next_to_run    takes the thread that runs next out of those that are ready
;     sched_ready         a thread can run: it is new, its wait has ended, or it let others go first
;     sched_unblocked     a thread can run: what it waits for in the kernel has come
;     sched_preempted     a thread could go on, but another was more urgent
;     sched_preempts      is somebody who is ready more urgent than this thread?
;
; A thread that does not run has its stack pointer in UT_STACK, and there a RESUME. That is all the core knows of it: a
; thread that must be fetched out of the kernel has a RESUME that leads to whoever can do that (upcalls.asm), and so has
; the idle thread, which runs when nobody else is ready.

.include "lib/threads/threads.inc"

.text

; core_create: makes a thread, which is ready.
;   in    EAX = its routine, EDX = what that gets in EAX, ECX = ATTRIBUTES or 0
;   out   EAX = thread; CF set: EAX = ERR_MEMORY
.global core_create
core_create:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov edi, ecx
    LOCK
    mov eax, 1
    test edi, edi
    jz .Lpages
    mov eax, [edi + ATTRIBUTES_PAGES]
.Lpages:
    call area_take
    test eax, eax
    jz .Lmemory
    mov [eax - RESUME_SIZE + RESUME_ESI], esi
    mov [eax - RESUME_SIZE + RESUME_EBX], ebx
    mov dword ptr [eax - RESUME_SIZE + RESUME_EIP], core_begin
    lea edx, [eax - RESUME_SIZE]
    mov [eax + UT_STACK], edx
    mov dword ptr [eax + UT_LIVE], UT_MAGIC
    mov dword ptr [eax + UT_PRIORITY], USER_PRIORITY
    mov dword ptr [eax + UT_DEADLINE], DEADLINE_NONE
    test edi, edi
    jz .Lready
    mov edx, [edi + ATTRIBUTES_PRIORITY]
    mov [eax + UT_PRIORITY], edx
    mov edx, [edi + ATTRIBUTES_DEADLINE]
    mov [eax + UT_DEADLINE], edx
.Lready:
    inc dword ptr [thread_count]
    mov ebx, eax
    call sched_ready
    call core_release
    mov eax, ebx
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret
.Lmemory:
    UNLOCK
    mov eax, ERR_MEMORY
    stc
    jmp .Lreturn

; core_begin: where a thread starts, locked.
;   in    EBX = its routine, ESI = what that gets in EAX
core_begin:
    UNLOCK
    mov eax, esi
    call ebx

; core_exit: ends the running thread.
;   in    EAX = what its join gives
;   out   does not return
.global core_exit
core_exit:
    LOCK
    dec dword ptr [thread_count]
    mov ebx, [thread_current]
    mov [ebx + UT_VALUE], eax
    mov dword ptr [ebx + UT_DONE], 1
    mov eax, [ebx + UT_JOINER]
    test eax, eax
    jz .Lalone
    call sched_ready
.Lalone:
    cmp dword ptr [ebx + UT_DETACHED], 0
    je core_pick
    mov eax, ebx                ; nobody takes the area, whose stack this is, before the next thread unlocks
    call area_give
    jmp core_pick

; core_join: waits for a thread's end and gives its memory back. A thread can be joined once.
;   in    EAX = thread
;   out   EAX = what it ended with; CF clear
.global core_join
core_join:
    push ebx
    mov ebx, eax
    LOCK
    cmp dword ptr [ebx + UT_DONE], 0
    jne .Ldone
    mov edx, [thread_current]
    mov [ebx + UT_JOINER], edx
    call core_wait
.Ldone:
    mov eax, ebx
    mov ebx, [ebx + UT_VALUE]
    call area_give
    mov eax, ebx
    pop ebx
    UNLOCK
    ret

; core_detach: nobody will join a thread; its memory goes back at its end.
;   in    EAX = thread
.global core_detach
core_detach:
    LOCK
    mov dword ptr [eax + UT_DETACHED], 1
    cmp dword ptr [eax + UT_DONE], 0
    je .Lreturn
    call area_give
.Lreturn:
    UNLOCK
    ret

; thread_self: who am I?
;   out   EAX = the running thread
.global thread_self
thread_self:
    mov eax, [thread_current]
    ret

; core_yield: lets others run first.
.global core_yield
core_yield:
    LOCK
    mov eax, [thread_current]
    call sched_ready
    call find_next_to_run
    call core_switch
    UNLOCK
    ret

; core_release: the end of a critical section that has made threads ready: one that is more urgent runs first.
;   in    the lock held
;   out   unlocked, CF clear
.global core_release
core_release:
    mov eax, [thread_current]
    call sched_preempts
    jnc .Lunlock
    mov eax, [thread_current]
    call sched_preempted
    call core_wait
.Lunlock:
    UNLOCK
    ret

; core_wait: others run; the running thread stands in a queue of some kind. Locked.
;   out   when somebody has made it ready, and it runs again
.global core_wait
core_wait:
    call find_next_to_run
    test eax, eax
    jnz core_switch
    mov eax, thread_idle

; core_switch: another thread runs. Locked.
;   in    EAX = thread, perhaps the running one itself
;   out   when this thread runs again
.global core_switch
core_switch:
    push ebx
    push esi
    push edi
    push ebp
    mov edx, [thread_current]
    mov [edx + UT_STACK], esp
    jmp core_load

; core_pick: another thread runs, and whoever ran is forgotten. Locked.
;   out   does not return
.global core_pick
core_pick:
    call find_next_to_run
    test eax, eax
    jnz core_load
    mov eax, thread_idle

; core_load: a thread runs, and whoever ran is forgotten. Locked.
;   in    EAX = thread
;   out   does not return
.global core_load
core_load:
    mov [thread_current], eax
    mov esp, [eax + UT_STACK]
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

.data

.global thread_current, thread_count

.align 4
thread_current:                 ; the thread that runs
    .long main_thread
thread_count:                   ; threads that have not ended
    .long 1
main_thread:                    ; its UT: the stack is the program's own
    .space UT_PRIORITY
    .long USER_PRIORITY, DEADLINE_NONE, UT_MAGIC
    .space UT_SIZE - UT_CANCEL
.assert UT_DEADLINE == UT_PRIORITY + 4 && UT_LIVE == UT_DEADLINE + 4 && UT_CANCEL == UT_LIVE + 4, "another order"
