; The POSIX-like face: the routines of pm2.asm, with what POSIX asks for beside the work itself.
;
; Attributes and threads are checked, errors have POSIX's numbers, a mutex knows its owner (as one of type ERRORCHECK),
; and threads can be cancelled, deferred: at the cancellation points thread_join, condition_wait, thread_read,
; thread_write and thread_sleep, when they begin. thread_yield is in a file of its own (yield_*.asm).

.include "lib/threads/threads.inc"

; FAIL condition, error: returns with CF set and the error, if the condition holds.
.macro FAIL condition, error
    mov ecx, \error
    j\condition posix_fail
.endm

; CANCELLATION_POINT: the running thread ends here if it is to, unless it does not want that now. Arguments are kept.
.macro CANCELLATION_POINT
    push eax
    call thread_test_cancel
    pop eax
.endm

.text

; posix_fail: the end of a routine that fails.
;   in    ECX = error
posix_fail:
    mov eax, ecx
    stc
    ret

; thread_create: makes a thread, which is ready.
;   in    EAX = its routine, EDX = what that gets in EAX, ECX = ATTRIBUTES or 0
;   out   EAX = thread; CF set: EAX = EINVAL, EAGAIN
.global thread_create
thread_create:
    test ecx, ecx
    jz .Lchecked
    push ebx
    mov ebx, [ecx + ATTRIBUTES_PAGES]
    dec ebx
    cmp ebx, UT_PAGES_MAX
    pop ebx
    jae .Lattributes
    cmp dword ptr [ecx + ATTRIBUTES_PRIORITY], USER_PRIORITIES
    jae .Lattributes
    cmp dword ptr [ecx + ATTRIBUTES_DEADLINE], 0
    je .Lattributes
.Lchecked:
    call core_create
    FAIL c, EAGAIN
    ret
.Lattributes:
    mov ecx, EINVAL
    jmp posix_fail

; thread_exit: ends the running thread, as the return of its routine does.
;   in    EAX = what its join gives
;   out   does not return
.global thread_exit
thread_exit:
    jmp core_exit

; thread_join: waits for a thread's end; the thread must not be used afterwards.
;   in    EAX = thread
;   out   EAX = what it ended with; CF set: EAX = ESRCH, EINVAL, EDEADLK
.global thread_join
thread_join:
    CANCELLATION_POINT
    cmp dword ptr [eax + UT_LIVE], UT_MAGIC
    FAIL ne, ESRCH
    cmp eax, [thread_current]
    FAIL e, EDEADLK
    mov edx, [eax + UT_JOINER]
    or edx, [eax + UT_DETACHED]
    FAIL nz, EINVAL
    jmp core_join

; thread_detach: nobody will join a thread.
;   in    EAX = thread
;   out   CF set: EAX = ESRCH, EINVAL
.global thread_detach
thread_detach:
    cmp dword ptr [eax + UT_LIVE], UT_MAGIC
    FAIL ne, ESRCH
    mov edx, [eax + UT_JOINER]
    or edx, [eax + UT_DETACHED]
    FAIL nz, EINVAL
    jmp core_detach

; thread_cancel: a thread is to end at its next cancellation point, with CANCELLED for its join.
;   in    EAX = thread
;   out   CF set: EAX = ESRCH
.global thread_cancel
thread_cancel:
    cmp dword ptr [eax + UT_LIVE], UT_MAGIC
    FAIL ne, ESRCH
    mov dword ptr [eax + UT_CANCEL], 1
    clc
    ret

; thread_keep_off: does the running thread want not to be cancelled, for now?
;   in    EAX = 1: it does not want to be; 0: it can be, which holds at first
;   out   EAX = what was set before
.global thread_keep_off
thread_keep_off:
    mov edx, [thread_current]
    xchg [edx + UT_KEPT_OFF], eax
    ret

; thread_test_cancel: a cancellation point, and nothing else.
;   out   ECX, EDX kept
.global thread_test_cancel
thread_test_cancel:
    mov eax, [thread_current]
    cmp dword ptr [eax + UT_CANCEL], 0
    je .Lreturn
    cmp dword ptr [eax + UT_KEPT_OFF], 0
    jne .Lreturn
    mov eax, CANCELLED
    jmp core_exit
.Lreturn:
    ret

; mutex_lock: takes a mutex.
;   in    EAX = MUTEX
;   out   CF set: EAX = EDEADLK, the thread has it already
.global mutex_lock
mutex_lock:
    mov edx, [thread_current]
    cmp edx, [eax + MUTEX_OWNER]
    FAIL e, EDEADLK
    jmp core_lock

; mutex_try_lock: takes a mutex if it is free.
;   in    EAX = MUTEX
;   out   EAX = 1, or 0: somebody has it
.global mutex_try_lock
mutex_try_lock:
    jmp core_try_lock

; mutex_unlock: gives up a mutex.
;   in    EAX = MUTEX
;   out   CF set: EAX = EPERM, the thread does not have it
.global mutex_unlock
mutex_unlock:
    mov edx, [thread_current]
    cmp edx, [eax + MUTEX_OWNER]
    FAIL ne, EPERM
    jmp core_unlock

; condition_wait: gives up a mutex and waits for a condition; then takes the mutex again. It may return for nothing.
;   in    EAX = condition variable, a QUEUE; EDX = MUTEX
;   out   CF set: EAX = EPERM, the thread does not have the mutex
.global condition_wait
condition_wait:
    CANCELLATION_POINT
    mov ecx, [thread_current]
    cmp ecx, [edx + MUTEX_OWNER]
    FAIL ne, EPERM
    jmp core_wait_condition

; condition_signal: at least one who waits for a condition goes on.
;   in    EAX = condition variable
.global condition_signal
condition_signal:
    jmp core_signal

; condition_broadcast: all who wait for a condition go on.
;   in    EAX = condition variable
.global condition_broadcast
condition_broadcast:
    jmp core_broadcast

; semaphore_down: takes a semaphore.
;   in    EAX = SEMAPHORE
.global semaphore_down
semaphore_down:
    CANCELLATION_POINT
    jmp core_down

; semaphore_up: gives a semaphore back.
;   in    EAX = SEMAPHORE
.global semaphore_up
semaphore_up:
    jmp core_up

; thread_read: reads, and waits until there is something.
;   in    EAX = pipe or CONSOLE_INPUT, EDX = buffer, ECX = its length
;   out   EAX = bytes; CF set: EAX = the kernel's error
.global thread_read
thread_read:
    CANCELLATION_POINT
    jmp core_read

; thread_write: writes to a pipe, and waits while there is no room at all.
;   in    EAX = pipe, EDX = buffer, ECX = length
;   out   EAX = bytes; CF set: EAX = the kernel's error
.global thread_write
thread_write:
    CANCELLATION_POINT
    jmp core_write

; thread_sleep: waits.
;   in    EAX = ticks
.global thread_sleep
thread_sleep:
    CANCELLATION_POINT
    jmp core_sleep
