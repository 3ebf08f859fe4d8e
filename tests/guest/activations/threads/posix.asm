; What does the POSIX-like face refuse, and does it cancel?
;
; Each line is what a call returned: its name, and the error.

.include "lib/threads/threads.inc"

; SAY name: prints a name, and EAX.
.macro SAY name
    push eax
    mov eax, \name
    call print_string
    pop eax
    call print_decimal
    mov al, '\n'
    call print_char
.endm

; REFUSED name: CF must be set; prints the name, and the error in EAX.
.macro REFUSED name
    jnc wrong
    SAY \name
.endm

.text

; main: tries one after the other.
;   out   EAX = exit code
.global main
main:
    push ebx
    call thread_self
    call thread_join
    REFUSED text_self
    mov eax, no_thread
    call thread_join
    REFUSED text_nobody
    mov eax, wait
    mov ecx, attributes_pages
    call thread_create
    REFUSED text_attributes
    mov eax, wait
    mov ecx, attributes_priority
    call thread_create
    REFUSED text_attributes
    mov eax, wait
    mov ecx, attributes_deadline
    call thread_create
    REFUSED text_attributes
    mov eax, mutex
    call mutex_lock
    mov eax, mutex
    call mutex_lock
    REFUSED text_lock
    mov eax, mutex
    call mutex_unlock
    mov eax, mutex
    call mutex_unlock
    REFUSED text_unlock
    mov eax, condition
    mov edx, mutex
    call condition_wait
    REFUSED text_wait

    mov eax, wait
    xor ecx, ecx
    call thread_create
    jc wrong
    mov ebx, eax
    call thread_cancel
    mov eax, ebx
    call thread_join
    SAY text_cancelled          ; before it could begin to wait
    mov eax, keep_off
    xor ecx, ecx
    call thread_create
    jc wrong
    mov ebx, eax
    call thread_cancel
    mov eax, ebx
    call thread_join
    SAY text_kept_off
    mov eax, ebx
    call thread_join
    REFUSED text_joined
    mov eax, keep_off
    xor ecx, ecx
    call thread_create
    jc wrong
    mov ebx, eax
    call thread_detach
    mov eax, ebx
    call thread_join
    REFUSED text_detached
    mov eax, ebx
    call thread_detach
    REFUSED text_detached
    mov eax, 3
    call thread_sleep
    mov eax, keep_off
    xor ecx, ecx
    call thread_create
    jc wrong
    sub eax, ebx
    SAY text_area               ; a detached thread's area is free after its end
    xor eax, eax
    pop ebx
    ret

wrong:
    mov eax, text_wrong
    call print_string
    mov eax, 1
    jmp sys_exit

; wait: waits for what never comes; a cancellation point.
wait:
    mov eax, semaphore
    jmp semaphore_down

; keep_off: does not want to be cancelled.
;   out   EAX = 7
keep_off:
    mov eax, 1
    call thread_keep_off
    mov eax, 1
    call thread_sleep
    mov eax, 7
    ret

.rodata

text_self:
    .asciz "join of oneself "
text_nobody:
    .asciz "join of nobody "
text_attributes:
    .asciz "attributes "
text_lock:
    .asciz "lock twice "
text_unlock:
    .asciz "unlock of another's "
text_wait:
    .asciz "wait without the mutex "
text_cancelled:
    .asciz "cancelled "
text_kept_off:
    .asciz "kept off "
text_joined:
    .asciz "join of the joined "
text_detached:
    .asciz "detached "
text_area:
    .asciz "area "
text_wrong:
    .asciz "wrong\n"
.align 4
attributes_pages:
    .long 0, 1, 1
attributes_priority:
    .long 1, USER_PRIORITIES, 1
attributes_deadline:
    .long 1, 1, 0

.bss

.align 4
mutex:
    .space MUTEX_SIZE
condition:
    .space QUEUE_SIZE
semaphore:
    .space SEMAPHORE_SIZE
no_thread:
    .space UT_SIZE
