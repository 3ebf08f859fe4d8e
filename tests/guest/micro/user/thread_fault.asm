; Does a fault of one thread end the program, when that thread is nobody's scheduler?

.include "test.inc"

STACK = 1024

.text

; main: asks.
.global main
main:
    START wrong, stack_top
.Lwait:
    mov edx, ROOT_TASK
    call ipc_receive
    jmp .Lwait

wrong:
    mov [0], eax

.bss

.align 16
    .space STACK
stack_top:
