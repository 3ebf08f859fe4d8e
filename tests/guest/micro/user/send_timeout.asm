; Does a send end in time, too, when its receiver does not listen; and how long does it take?

.include "test.inc"

STACK = 1024
TICKS = 3

.text

; main: asks.
.global main
main:
    call timeout_init
    START deaf, stack_top
    mov ebp, eax
    mov eax, 1
    call program_sleep
    mov ebx, eax
    push ebx
    mov eax, ebp
    mov edx, NIL_THREAD
    mov ecx, TICKS
    xor esi, esi
    call ipc_timed
    UTCB edx
    mov eax, [edx + UTCB_ERROR]
    VALUE "error "
    mov eax, 1
    call program_sleep
    pop ebx
    sub eax, ebx
    dec eax
    VALUE "ticks "
    xor eax, eax
    ret

; deaf: listens to nobody who could send.
deaf:
    MYSELF edx
    mov edx, ROOT_TASK
    call ipc_receive
    ret

.bss

.align 16
    .space STACK
stack_top:
