; A busy application that is told that another of its activations can go on, as in the original model: in a fresh
; activation, with the registers of both, and each goes on by a system call.
;
; The argument is how many ticks. One thread waits for the next tick, again and again. When it has blocked, a fresh
; activation computes; this one goes on after the upcall, and soon it goes on as the other. Nothing measures here: the
; image's paths do.

STACKS      = 2                 ; one computes, the other is told
STACK_BYTES = 512               ; bytes, with two SA_STATE in them

.text

; main: waits for ticks.
;   in    EAX = argument string
;   out   EAX = 0, or 1 if activations are refused
.global main
main:
    push ebx
    push edi
    call argument_next
    call argument_number
    mov edi, eax
    mov eax, SYS_SA_INIT
    mov ebx, init
    int VECTOR_SYSCALL
    test eax, eax
    jnz .Lrefused
.Lwait:
    mov eax, SYS_SLEEP
    mov ebx, 1
    int VECTOR_SYSCALL
    dec edi
    jnz .Lwait
    xor eax, eax
.Lreturn:
    pop edi
    pop ebx
    ret
.Lrefused:
    mov eax, 1
    jmp .Lreturn

; blocked: the block upcall: it is the busy one. What it waits for is the state of the thread that has blocked.
blocked:
    mov dword ptr [vp + SA_VP_LOCK], 0
.Lbusy:
    call busy
    mov ebx, [unblocked]
    test ebx, ebx
    jz .Lbusy

    ; It ends with the restore; nobody is blocked, so no upcall takes a stack before that.
    mov dword ptr [unblocked], 0
    mov dword ptr [stacks + SA_STACK_BUSY], 0
    mov dword ptr [stacks + SA_STACK_SIZE + SA_STACK_BUSY], 0
    mov eax, SYS_SA_RESTORE
    int VECTOR_SYSCALL

; unblock: the unblock upcall: notes whose thread can go on, and goes on with the interrupted one.
;   in    ESP = UPCALL, then the SA_STATE of the interrupted, then that of the unblocked
unblock:
    lea eax, [esp + UPCALL_SIZE + SA_STATE_SIZE + SA_STATE_REGS]
    mov [unblocked], eax
    lea ebx, [esp + UPCALL_SIZE + SA_STATE_REGS]
    mov eax, SYS_SA_RESTORE
    int VECTOR_SYSCALL

.data

.align 4
init:                           ; SA_INIT
    .long SA_ORIGINAL, 1, vp, blocked, unblock
    .long 0, 0, 0               ; no timer upcalls, no second stack
    .long stacks, STACKS
vp:                             ; SA_VP
    .long 0, 0, 0, 0
stacks:                         ; SA_STACK
    .long 0, first_stack
    .long 0, second_stack

.bss

.align 4
unblocked:                      ; REGS of a thread that can go on, or 0
    .space 4
    .space STACK_BYTES
first_stack:
    .space STACK_BYTES
second_stack:
