; The routines of pm2.asm over kernel threads: the kernel makes them, ends them, and decides who runs.
;
; Owns nothing but the areas' lock. The kernel offers nothing to wait for a mutex, a condition or a semaphore with, so
; who has to wait yields until it need not. These are one word each here: MUTEX_OWNER is 1 or 0; a condition variable
; counts its signals, each of which lets all go on; SEMAPHORE_COUNT falls below 0 for a moment when somebody has to wait.

.include "lib/threads/threads.inc"

.text

; thread_init: nothing is to be prepared.
;   out   CF clear
.global thread_init
thread_init:
    clc
    ret

; thread_create: makes a thread, which is ready.
;   in    EAX = its routine, EDX = what that gets in EAX, ECX = ATTRIBUTES or 0; nothing but the pages counts
;   out   EAX = thread; CF set: EAX = error
.global thread_create
thread_create:
    push ebx
    push esi
    push edi
    push ebp
    mov ebx, eax
    mov edi, edx
    mov esi, 1
    test ecx, ecx
    jz .Lpages
    mov esi, [ecx + ATTRIBUTES_PAGES]
.Lpages:
    mov eax, area_lock
    call mutex_lock
    mov eax, esi
    call area_take
    mov ebp, eax
    mov eax, area_lock
    call mutex_unlock
    mov eax, ERR_MEMORY
    test ebp, ebp
    jz .Lfail
    mov esi, ebp
    sub esi, 4
    mov [esi], ebx
    mov ebx, thread_begin
    mov eax, SYS_THREAD_CREATE
    call dword ptr [syscall]
    test eax, eax
    js .Lback
    mov [ebp + UT_NUMBER], eax
    mov eax, ebp
    clc
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret
.Lback:
    mov esi, eax
    mov eax, ebp
    call thread_give
    mov eax, esi
.Lfail:
    stc
    jmp .Lreturn

; thread_begin: where a thread starts.
;   in    EAX = what its routine gets; on the stack: the routine
thread_begin:
    pop ecx
    call ecx

; thread_exit: ends the running thread, as the return of its routine does.
;   in    EAX = what its join gives
;   out   does not return
.global thread_exit
thread_exit:
    mov ebx, eax
    mov eax, SYS_THREAD_EXIT
    jmp dword ptr [syscall]

; thread_join: waits for a thread's end; the thread must not be used afterwards.
;   in    EAX = thread
;   out   EAX = what it ended with; CF set: EAX = error
.global thread_join
thread_join:
    push ebx
    push esi
    mov esi, eax
.Lagain:
    mov ebx, [esi + UT_NUMBER]
    mov eax, SYS_THREAD_JOIN
    call dword ptr [syscall]
    cmp eax, ERR_INTERRUPTED
    je .Lagain
    test eax, eax
    stc
    jnz .Lreturn
    mov eax, esi
    call thread_give
    mov eax, ebx
    clc
.Lreturn:
    pop esi
    pop ebx
    ret

; thread_give: gives a thread's area back.
;   in    EAX = thread
thread_give:
    push eax
    mov eax, area_lock
    call mutex_lock
    pop eax
    call area_give
    mov eax, area_lock
    jmp mutex_unlock

; thread_yield: lets others run first.
.global thread_yield
thread_yield:
    jmp sys_yield

; mutex_lock: takes a mutex.
;   in    EAX = MUTEX
;   out   CF clear
.global mutex_lock
mutex_lock:
    mov edx, 1
    xchg [eax + MUTEX_OWNER], edx
    test edx, edx
    jnz .Lwait
    ret
.Lwait:
    push eax
    call sys_yield
    pop eax
    jmp mutex_lock

; mutex_try_lock: takes a mutex if it is free.
;   in    EAX = MUTEX
;   out   EAX = 1, or 0: somebody has it
.global mutex_try_lock
mutex_try_lock:
    mov edx, 1
    xchg [eax + MUTEX_OWNER], edx
    mov eax, 1
    sub eax, edx
    ret

; mutex_unlock: gives up a mutex.
;   in    EAX = MUTEX
;   out   CF clear
.global mutex_unlock
mutex_unlock:
    mov dword ptr [eax + MUTEX_OWNER], 0
    clc
    ret

; condition_wait: gives up a mutex and waits for a condition; then takes the mutex again. It may return for nothing.
;   in    EAX = condition variable, EDX = MUTEX
;   out   CF clear
.global condition_wait
condition_wait:
    push ebx
    push esi
    push edx
    mov ebx, eax
    mov esi, [eax + QUEUE_HEAD]
    mov eax, edx
    call mutex_unlock
.Lwait:
    call sys_yield
    cmp [ebx + QUEUE_HEAD], esi
    je .Lwait
    pop eax
    pop esi
    pop ebx
    jmp mutex_lock

; condition_signal, condition_broadcast: all who wait for a condition go on.
;   in    EAX = condition variable
.global condition_signal, condition_broadcast
condition_signal:
condition_broadcast:
    lock inc dword ptr [eax + QUEUE_HEAD]
    ret

; semaphore_down: takes a semaphore.
;   in    EAX = SEMAPHORE
.global semaphore_down
semaphore_down:
    lock dec dword ptr [eax + SEMAPHORE_COUNT]
    js .Lwait
    ret
.Lwait:
    lock inc dword ptr [eax + SEMAPHORE_COUNT]
    push eax
    call sys_yield
    pop eax
    jmp semaphore_down

; semaphore_up: gives a semaphore back.
;   in    EAX = SEMAPHORE
.global semaphore_up
semaphore_up:
    lock inc dword ptr [eax + SEMAPHORE_COUNT]
    ret

; thread_read: reads, and waits until there is something.
;   in    EAX = pipe or CONSOLE_INPUT, EDX = buffer, ECX = its length
;   out   EAX = bytes; CF set: EAX = error
.global thread_read
thread_read:
    jmp sys_read

; thread_write: writes to a pipe, and waits while there is no room at all.
;   in    EAX = pipe, EDX = buffer, ECX = length
;   out   EAX = bytes; CF set: EAX = error
.global thread_write
thread_write:
    jmp sys_write_pipe

; thread_sleep: waits.
;   in    EAX = ticks
.global thread_sleep
thread_sleep:
    jmp sys_sleep

.bss

.align 4
area_lock:                      ; MUTEX over area.asm's data
    .space MUTEX_SIZE
