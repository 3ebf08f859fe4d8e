; Where a program with the network in it begins. As start.asm, with that.

.include "lib/micro/user.inc"

STACK = PAGE_SIZE

.text

; _start: makes a stack, starts the network, calls main, and exits with what it returns.
;   main  gets the argument string in EAX (the program's name, then its arguments) and returns the exit code in EAX
.global _start
_start:
    mov esp, stack_top - LOCAL_SIZE
    mov edx, esp
    call thread_handle
    call net_start
    mov eax, ARGUMENTS
    call main
    jmp program_exit

.bss

.align 16
    .space STACK
stack_top:                      ; below it: the LOCAL of the first thread
