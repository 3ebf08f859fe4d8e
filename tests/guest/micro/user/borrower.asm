; What becomes of threads whose scheduler belongs to another program, when that program ends?
;
; The program `lender` is the first module: its first thread is the scheduler. It dispatches two threads of ours, and then
; it exits.

.include "test.inc"

STACK  = 1024
LENDER = (FIRST_THREAD + 2) << ID_SHIFT | 1

.text

; main: asks.
.global main
main:
    mov eax, worker
    mov edx, stack_1
    mov ecx, LENDER
    mov ebx, 1
    call thread_new
    mov eax, worker
    mov edx, stack_2
    mov ecx, LENDER
    mov ebx, 2
    call thread_new
.Lwait:
    cmp dword ptr [done], 2
    je .Lreturn
    mov eax, 1
    call program_sleep
    jmp .Lwait
.Lreturn:
    SAY "both have gone on\n"
    xor eax, eax
    ret

worker:
    BURN 1200000
    VALUE "done: worker "
    inc dword ptr [done]
    ret

.bss

.align 16
    .space STACK
stack_1:
    .space STACK
stack_2:
done:
    .space 4
