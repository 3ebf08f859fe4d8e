; Is every critical section of the library whole, whenever an event comes?
;
; Two workers go through all of the library's operations while two other threads sleep, for one tick and for two: the
; ticks, and so the upcalls, can be placed anywhere between explore_begin and explore_end. Woken, a sleeper goes through
; some of the operations itself. Whoever has the mutex reads a number, yields, and writes it back one higher, so that it
; counts too little unless it is alone.

.include "lib/threads/threads.inc"

ROUNDS = 2                      ; of each worker

.text

; main: starts the threads, waits for them, and looks at what they have left.
;   out   EAX = exit code: 0, or what is wrong
.global main
main:
    push ebx
    mov eax, sleeper
    mov edx, 1
    xor ecx, ecx
    call thread_create
    jc main_fails
    mov [sleepers], eax
    mov eax, sleeper
    mov edx, 2
    xor ecx, ecx
    call thread_create
    jc main_fails
    mov [sleepers + 4], eax
    call thread_yield           ; both sleep now

; explore_begin: the sleepers sleep, and the work begins.
.global explore_begin
explore_begin:
    mov eax, worker
    xor edx, edx
    xor ecx, ecx
    call thread_create
    jc main_fails
    push eax
    mov eax, worker
    mov edx, 1
    xor ecx, ecx
    call thread_create
    jc main_fails
    call thread_join
    mov ebx, eax
    pop eax
    call thread_join
    add ebx, eax

; explore_end: the workers have ended.
.global explore_end
explore_end:
    mov eax, [sleepers]
    call thread_join
    add ebx, eax
    mov eax, [sleepers + 4]
    call thread_join
    add ebx, eax
    mov eax, 1
    cmp ebx, 4 * 7              ; what each has returned
    jne .Lreturn
    inc eax
    cmp dword ptr [alone], 2 * ROUNDS + 2 * 2
    jne .Lreturn
    inc eax
    cmp dword ptr [semaphore + SEMAPHORE_COUNT], 0
    jne .Lreturn
    inc eax
    cmp dword ptr [mutex + MUTEX_OWNER], 0
    jne .Lreturn
    inc eax
    cmp dword ptr [thread_count], 1
    jne .Lreturn
    inc eax
    cmp dword ptr [thread_vp + SA_VP_LOCK], 0
    jne .Lreturn
    inc eax
    cmp dword ptr [thread_vp + SA_VP_PENDING], 0
    jne .Lreturn
    call find_next_to_run
    neg eax
    sbb eax, eax                ; nobody is ready but this thread
.Lreturn:
    pop ebx
    ret
main_fails:
    mov eax, 100
    pop ebx
    ret

; worker: does everything once a round; the two meet at the condition.
;   in    EAX = 0 or 1
;   out   EAX = 7
worker:
    push ebx
    push esi
    mov ebx, eax
    mov esi, ROUNDS
.Lround:
    call count_alone
    test ebx, ebx
    jnz .Lother
    mov eax, semaphore
    call semaphore_down
    jmp .Lmeet
.Lother:
    mov eax, semaphore
    call semaphore_up
.Lmeet:
    mov eax, mutex
    call mutex_lock
    inc dword ptr [met]
    test dword ptr [met], 1
    jz .Lsecond
.Lwait:
    mov eax, condition
    mov edx, mutex
    call condition_wait
    test dword ptr [met], 1
    jnz .Lwait
    jmp .Lmet
.Lsecond:
    mov eax, condition
    call condition_broadcast
.Lmet:
    mov eax, mutex
    call mutex_unlock
    mov eax, child
    mov edx, ebx
    xor ecx, ecx
    call thread_create
    jc .Lfail
    call thread_join
    cmp eax, ebx
    jne .Lfail
    dec esi
    jnz .Lround
    mov eax, 7
.Lreturn:
    pop esi
    pop ebx
    ret
.Lfail:
    xor eax, eax
    jmp .Lreturn

; child: comes and goes.
;   in    EAX = a number
;   out   EAX = likewise
child:
    ret

; sleeper: sleeps, and does something, twice.
;   in    EAX = ticks of the first sleep
;   out   EAX = 7
sleeper:
    call thread_sleep
    call count_alone
    mov eax, 1
    call thread_sleep
    call count_alone
    mov eax, 7
    ret

; count_alone: counts one up, with the mutex, in a way that needs it.
count_alone:
    push ebx
    mov eax, mutex
    call mutex_lock
    mov ebx, [alone]
    call thread_yield
    inc ebx
    mov [alone], ebx
    mov eax, mutex
    call mutex_unlock
    pop ebx
    ret

.bss

.align 4
sleepers:                       ; the threads that sleep
    .space 8
alone:                          ; what count_alone counts
    .space 4
met:                            ; meetings of the workers, times two
    .space 4
mutex:
    .space MUTEX_SIZE
condition:
    .space QUEUE_SIZE
semaphore:
    .space SEMAPHORE_SIZE
