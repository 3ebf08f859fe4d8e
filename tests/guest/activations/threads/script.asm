; Threads do what a script says, and what they have done is in a log: the test has a model of it.
;
; The host puts the script in place at script_begin. Thread n has SCRIPT_SIZE bytes from script + n * SCRIPT_SIZE: steps,
; each an operation and its operand; 0 is the end. What a correct program does not do is left out, and the log says so.

SCRIPT_SIZE = 32                ; bytes for each thread
SCRIPT_THREADS = 8              ; threads
SCRIPT_OBJECTS = 4              ; mutexes, conditions, semaphores
LOG_MAX = 4096                  ; entries: thread, step, result, 0
DID = 1                         ; results: done,
LEFT_OUT = 2                    ;   not done: a correct program would not
FAILED = 3                      ;   done in vain

; OBJECT register, array, size: the object whose number is the operand.
.macro OBJECT register, array, size
    imul \register, edi, \size
    add \register, \array
.endm

; LEAVE_UNLESS condition: leaves the step out if the condition does not hold.
.macro LEAVE_UNLESS condition
    j\condition .Ldo\@
    mov eax, LEFT_OUT
    ret
.Ldo\@:
.endm

.text

; main: thread 0 of the script.
;   out   EAX = 0
.global main, script_begin
main:
script_begin:
    call thread_self
    mov [threads], eax
    xor eax, eax

; script_thread: a thread of the script.
;   in    EAX = its number, EBP destroyed
;   out   EAX = likewise
script_thread:
    push ebx
    push esi
    push edi
    push ebp
    mov ebp, eax
    mov ebx, eax
    imul ebx, ebx, SCRIPT_SIZE
    add ebx, script
    mov esi, ebx
.Lstep:
    movzx eax, byte ptr [esi]
    inc esi
    test eax, eax
    jz .Lend
    movzx edi, byte ptr [esi]
    inc esi
    call dword ptr [steps - 4 + eax * 4]
    mov ecx, [log_count]
    mov edx, esi
    sub edx, ebx
    shr edx, 1
    shl eax, 16
    mov ah, dl
    mov edx, ebp
    mov al, dl
    mov [log + ecx * 4], eax
    inc dword ptr [log_count]
    jmp .Lstep
.Lend:
    mov eax, ebp
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; The steps. Each:
;   in    EDI = operand, EBP = the thread's number
;   out   EAX = result

step_yield:
    call thread_yield
    mov eax, DID
    ret

step_create:
    cmp dword ptr [threads + edi * 4], 0
    LEAVE_UNLESS e
    mov dword ptr [threads + edi * 4], 1    ; until it is known; nobody may join it before
    imul ecx, edi, ATTRIBUTES_SIZE
    add ecx, attributes
    mov eax, script_thread
    mov edx, edi
    call thread_create
    jc step_failed
    cmp dword ptr [threads + edi * 4], 1
    jne step_failed
    mov [threads + edi * 4], eax
    mov eax, DID
    ret

step_failed:
    mov eax, FAILED
    ret

step_join:
    cmp edi, ebp
    LEAVE_UNLESS ne
    cmp edi, 0
    LEAVE_UNLESS ne
    mov eax, [threads + edi * 4]
    cmp eax, 1
    LEAVE_UNLESS a
    cmp dword ptr [joined + edi * 4], 0
    LEAVE_UNLESS e
    mov dword ptr [joined + edi * 4], 1
    call thread_join
    jc step_failed
    cmp eax, edi
    jne step_failed
    mov eax, DID
    ret

step_lock:
    call step_owns
    LEAVE_UNLESS ne
    OBJECT eax, mutexes, MUTEX_SIZE
    call mutex_lock
    mov eax, DID
    ret

step_try_lock:
    OBJECT eax, mutexes, MUTEX_SIZE
    call mutex_try_lock
    test eax, eax
    jz step_failed
    mov eax, DID
    ret

step_unlock:
    call step_owns
    LEAVE_UNLESS e
    OBJECT eax, mutexes, MUTEX_SIZE
    call mutex_unlock
    mov eax, DID
    ret

step_wait:                      ; for the condition, with the mutex, of the same number
    call step_owns
    LEAVE_UNLESS e
    OBJECT eax, conditions, QUEUE_SIZE
    OBJECT edx, mutexes, MUTEX_SIZE
    call condition_wait
    call step_owns
    jne step_failed
    mov eax, DID
    ret

step_signal:
    OBJECT eax, conditions, QUEUE_SIZE
    call condition_signal
    mov eax, DID
    ret

step_broadcast:
    OBJECT eax, conditions, QUEUE_SIZE
    call condition_broadcast
    mov eax, DID
    ret

step_down:
    OBJECT eax, semaphores, SEMAPHORE_SIZE
    call semaphore_down
    mov eax, DID
    ret

step_up:
    OBJECT eax, semaphores, SEMAPHORE_SIZE
    call semaphore_up
    mov eax, DID
    ret

; step_owns: has the running thread the mutex whose number is the operand?
;   out   ZF set: it has
step_owns:
    call thread_self
    OBJECT edx, mutexes, MUTEX_SIZE
    cmp [edx + MUTEX_OWNER], eax
    ret

.rodata

.align 4
steps:                          ; from 1; the test has the same names in the same order
    .long step_yield, step_create, step_join, step_lock, step_try_lock, step_unlock
    .long step_wait, step_signal, step_broadcast, step_down, step_up

.data

.global script, attributes, log, log_count

.align 4
attributes:                     ; ATTRIBUTES of each thread; those of the first are of no account
    .rept SCRIPT_THREADS
    .long 1, USER_PRIORITY, DEADLINE_NONE
    .endr
script:
    .space SCRIPT_THREADS * SCRIPT_SIZE
threads:                        ; each thread of the script: 0 not made, 1 being made, else the library's
    .space SCRIPT_THREADS * 4
joined:                         ; not 0: somebody joins it or has joined it
    .space SCRIPT_THREADS * 4
mutexes:
    .space SCRIPT_OBJECTS * MUTEX_SIZE
conditions:
    .space SCRIPT_OBJECTS * QUEUE_SIZE
semaphores:
    .space SCRIPT_OBJECTS * SEMAPHORE_SIZE
log_count:                      ; entries
    .space 4
log:                            ; from the lowest byte: thread, step from 1, result, 0
    .space LOG_MAX * 4
