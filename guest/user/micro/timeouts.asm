; IPC with timeouts where the kernel has none: what comes in time, and what does not.

.include "lib/micro/user.inc"

STACK = 512

.text

; main: waits for a friend that sends after 3 ticks, for 10; and for 5 more when nobody sends.
;   in    EAX = argument string
;   out   EAX = exit code
.global main
main:
    push ebx
    call timeout_init
    MYSELF ebx
    mov eax, friend
    mov edx, stack_top
    mov ecx, NIL_THREAD
    call thread_new
    mov edx, eax
    mov eax, NIL_THREAD
    mov ecx, 10
    xor esi, esi
    call ipc_timed
    call report
    mov eax, NIL_THREAD
    mov edx, ANY_THREAD
    mov ecx, 5
    xor esi, esi
    call ipc_timed
    call report
    xor eax, eax
    pop ebx
    ret

; friend: sends a message after 3 ticks.
;   in    EAX = to whom
friend:
    mov ebx, eax
    mov eax, 3
    call program_sleep
    mov eax, ebx
    xor esi, esi
    jmp ipc_send

; report: says how an IPC ended.
;   in    ESI = its tag
report:
    mov eax, text_came
    test esi, TAG_ERROR
    jz print_string
    mov eax, text_over
    jmp print_string

.rodata

text_came:
    .asciz "a message came in time\n"
text_over:
    .asciz "no message came, and the time is over\n"

.bss

.align 16
    .space STACK
stack_top:
