; Where a root task begins.
;
; The kernel starts it at _start without a stack; main is the root task's own.

.include "lib/micro/user.inc"

STACK = 2 * PAGE_SIZE

.text

; _start: makes a stack, calls main, and ends the machine with what it returns.
;   in    EAX = KIP_ bits, EBX = argument string (the task's name, then its arguments), EDI = UTCB
;   main  gets the argument string in EAX and the KIP_ bits in EDX, and returns the exit code in EAX
.global _start
_start:
    mov esp, stack_top - LOCAL_SIZE
    mov [edi + UTCB_HANDLE], esp
    mov edx, eax
    mov eax, ebx
    call main
    jmp kdb_exit

.bss

.align 16
    .space STACK
stack_top:                      ; below it: the LOCAL of the first thread
