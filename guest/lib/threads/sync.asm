; Mutexes, condition variables and semaphores.
;
; What one gives up goes to the thread that has waited longest, directly: a mutex never becomes free between two owners,
; and a semaphore's count does not rise while somebody waits. So nobody who waits is passed over.

.include "lib/threads/threads.inc"

.text

; core_lock: takes a mutex, which the thread does not have.
;   in    EAX = MUTEX
.global core_lock
core_lock:
    LOCK
    mov edx, [thread_current]
    cmp dword ptr [eax + MUTEX_OWNER], 0
    jne .Lwait
    mov [eax + MUTEX_OWNER], edx
    UNLOCK
    ret
.Lwait:
    add eax, MUTEX_WAITERS
    jmp sync_wait

; core_try_lock: takes a mutex if it is free.
;   in    EAX = MUTEX
;   out   EAX = 1, or 0: another has it
.global core_try_lock
core_try_lock:
    LOCK
    mov ecx, eax
    xor eax, eax
    cmp [ecx + MUTEX_OWNER], eax
    jne .Lreturn
    mov edx, [thread_current]
    mov [ecx + MUTEX_OWNER], edx
    inc eax
.Lreturn:
    UNLOCK
    ret

; core_unlock: gives up a mutex, which the thread has.
;   in    EAX = MUTEX
.global core_unlock
core_unlock:
    LOCK
    call mutex_pass
    jmp core_release

; mutex_pass: a mutex goes to the thread that has waited longest for it. Locked.
;   in    EAX = MUTEX
mutex_pass:
    lea ecx, [eax + MUTEX_WAITERS]
    call queue_take
    mov [ecx - MUTEX_WAITERS + MUTEX_OWNER], eax
    jnz sched_ready
    ret

; core_wait_condition: gives up a mutex and waits for a condition, in one; then takes the mutex again.
;   in    EAX = condition variable, EDX = MUTEX, which the thread has
.global core_wait_condition
core_wait_condition:
    push ebx
    mov ebx, edx
    LOCK
    mov edx, [thread_current]
    call queue_put
    mov eax, ebx
    call mutex_pass
    call core_wait
    UNLOCK
    mov eax, ebx
    pop ebx
    jmp core_lock

; core_signal: one who waits for a condition goes on.
;   in    EAX = condition variable
.global core_signal
core_signal:
    LOCK
    mov ecx, eax
    call queue_take
    jz core_release
    call sched_ready
    jmp core_release

; core_broadcast: all who wait for a condition go on.
;   in    EAX = condition variable
.global core_broadcast
core_broadcast:
    push ebx
    mov ebx, eax
    LOCK
.Lnext:
    mov ecx, ebx
    call queue_take
    jz .Lreturn
    call sched_ready
    jmp .Lnext
.Lreturn:
    pop ebx
    jmp core_release

; core_down: takes a semaphore.
;   in    EAX = SEMAPHORE
.global core_down
core_down:
    LOCK
    cmp dword ptr [eax + SEMAPHORE_COUNT], 0
    je .Lwait
    dec dword ptr [eax + SEMAPHORE_COUNT]
    UNLOCK
    ret
.Lwait:
    add eax, SEMAPHORE_WAITERS
    mov edx, [thread_current]

; sync_wait: waits until another hands over what it waits for.
;   in    EAX = QUEUE, EDX = the running thread, the lock held
;   out   unlocked
sync_wait:
    call queue_put
    call core_wait
    UNLOCK
    ret

; core_up: gives a semaphore back.
;   in    EAX = SEMAPHORE
.global core_up
core_up:
    LOCK
    lea ecx, [eax + SEMAPHORE_WAITERS]
    call queue_take
    jz .Lnobody
    call sched_ready
    jmp core_release
.Lnobody:
    inc dword ptr [ecx - SEMAPHORE_WAITERS + SEMAPHORE_COUNT]
    jmp core_release
