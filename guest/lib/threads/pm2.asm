; The PM2-like face: nothing but names. It trusts the program.
;
; Every face offers these routines, so that a program can be linked with any: this one, posix.asm, and kernel.asm, which
; has no thread_detach. What can fail returns with CF set and an error in EAX; only the POSIX-like face checks what a
; correct program never does.

.text

; thread_create: makes a thread, which is ready.
;   in    EAX = its routine, EDX = what that gets in EAX, ECX = ATTRIBUTES or 0
;   out   EAX = thread; CF set: EAX = error
.global thread_create
thread_create:
    jmp core_create

; thread_exit: ends the running thread, as the return of its routine does.
;   in    EAX = what its join gives
;   out   does not return
.global thread_exit
thread_exit:
    jmp core_exit

; thread_join: waits for a thread's end; the thread must not be used afterwards.
;   in    EAX = thread
;   out   EAX = what it ended with; CF set: EAX = error
.global thread_join
thread_join:
    jmp core_join

; thread_detach: nobody will join a thread.
;   in    EAX = thread
;   out   CF set: EAX = error
.global thread_detach
thread_detach:
    jmp core_detach

; thread_yield: lets others run first.
.global thread_yield
thread_yield:
    jmp core_yield

; mutex_lock: takes a mutex.
;   in    EAX = MUTEX
;   out   CF set: EAX = error
.global mutex_lock
mutex_lock:
    jmp core_lock

; mutex_try_lock: takes a mutex if it is free.
;   in    EAX = MUTEX
;   out   EAX = 1, or 0: another has it
.global mutex_try_lock
mutex_try_lock:
    jmp core_try_lock

; mutex_unlock: gives up a mutex.
;   in    EAX = MUTEX
;   out   CF set: EAX = error
.global mutex_unlock
mutex_unlock:
    jmp core_unlock

; condition_wait: gives up a mutex and waits for a condition; then takes the mutex again. It may return for nothing.
;   in    EAX = condition variable, a QUEUE; EDX = MUTEX
;   out   CF set: EAX = error
.global condition_wait
condition_wait:
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
    jmp core_down

; semaphore_up: gives a semaphore back.
;   in    EAX = SEMAPHORE
.global semaphore_up
semaphore_up:
    jmp core_up

; thread_read: reads, and waits until there is something.
;   in    EAX = pipe or CONSOLE_INPUT, EDX = buffer, ECX = its length
;   out   EAX = bytes; CF set: EAX = error
.global thread_read
thread_read:
    jmp core_read

; thread_write: writes to a pipe, and waits while there is no room at all.
;   in    EAX = pipe, EDX = buffer, ECX = length
;   out   EAX = bytes; CF set: EAX = error
.global thread_write
thread_write:
    jmp core_write

; thread_sleep: waits.
;   in    EAX = ticks
.global thread_sleep
thread_sleep:
    jmp core_sleep
