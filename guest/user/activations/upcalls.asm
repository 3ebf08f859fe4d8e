; A busy application that is told by upcalls that another of its activations can go on.
;
; Its arguments are EVENT ROUNDS CALL WHAT. One activation waits for EVENT, tick or input, so many times. When it has
; blocked, a new one computes; an upcall tells this one of the unblocking, and soon it restarts the other in its
; own place. CALL, int or sysenter, is how these make their system calls. WHAT is
;
;     plain       no more than that
;     ready       as plain, but timer upcalls and a second stack are prepared
;     timer       instead, the first activation computes for ROUNDS ticks, of which timer upcalls tell
;     late        the busy activation never opens its lock: it is told on the second stack
;
; Handlers do as little as they can. Nothing measures here: the image's paths do.

NULL_CALLS    = 100
WORKING_STACK = 256             ; bytes: of the new activation, with upcalls in it
SECOND_STACK  = 128

; UPCALL_LEAVE: back to what an upcall has interrupted, with all its registers and flags, and without a system call.
;   in    ESP = UPCALL
.macro UPCALL_LEAVE
    mov esp, [esp + UPCALL_ESP]
.endm

SAVED = 4                       ; bytes that a handler pushes before it looks at its UPCALL

.text

; main: waits for the event.
;   in    EAX = argument string
;   out   EAX = 0, or 1 if activations are refused
.global main
main:
    push ebx
    push esi
    push edi
    call argument_next
    mov bl, [eax]                           ; EVENT
    mov [event], bl
    call argument_next
    mov esi, eax
    call argument_number
    mov [rounds], eax
    mov eax, esi
    call argument_next
    cmp byte ptr [eax], 's'                 ; CALL
    jne .Lwhat
    mov dword ptr [system_call], syscall_by_sysenter
.Lwhat:
    call argument_next
    mov bl, [eax]                           ; WHAT
    mov [what], bl
    cmp bl, 'p'
    jne main_init
    mov dword ptr [init + SA_INIT_TIMER], 0
    mov dword ptr [init + SA_INIT_SECOND], 0
main_init:
    mov eax, SYS_SA_INIT
    mov ebx, init
    call dword ptr [system_call]
    test eax, eax
    jnz main_refused
    cmp byte ptr [what], 't'
    jne .Lnull
    mov eax, SYS_SA_TIMER
    mov ebx, 1                              ; cycles: any tick will do
    call dword ptr [system_call]

    ; System calls that do next to nothing.
.Lnull:
    mov edi, NULL_CALLS
null_round:
    mov eax, SYS_PROCESS
null_call:
    call dword ptr [system_call]
null_called:
    dec edi
    jnz null_round

    cmp byte ptr [what], 't'
    jne main_wait
    mov eax, [rounds]
    call busy_until
.Lcompute:
    call busy
    call busy_over
    jnz .Lcompute
    jmp main_over

main_wait:
    mov eax, SYS_SLEEP
    mov ebx, 1
    cmp byte ptr [event], 't'
    je wait_call
    mov eax, SYS_READ
    mov ebx, CONSOLE_INPUT
    mov esi, received
    mov edi, 1
wait_call:
    call dword ptr [system_call]
wait_called:
    dec dword ptr [rounds]
    jnz main_wait
main_over:
    xor eax, eax
    jmp main_return
main_refused:
    mov eax, 1
main_return:
    pop edi
    pop esi
    pop ebx
    ret

; blocked: the block upcall, in a new activation: it is the busy one.
blocked:
    mov dword ptr [unblocked], 0
    cmp byte ptr [what], 'l'
    je blocked_busy
    call open
blocked_busy:
    call busy
    mov esi, [unblocked]
    test esi, esi
    jz blocked_busy
    mov dword ptr [vp + SA_VP_LOCK], 0
    mov eax, SYS_SA_CONTROL
    mov ebx, SA_RESTART_UNBLOCKED
restart_call:
    call dword ptr [system_call]
    jmp blocked_busy                              ; it was refused: the id is wrong

; unblock: the unblock upcall: notes which activation can go on.
unblock:
    push ecx
    mov ecx, [esp + SAVED + UPCALL_SIZE]
    mov [unblocked], ecx
    mov dword ptr [vp + SA_VP_LOCK], 0
    mov ecx, [vp + SA_VP_PENDING]
    jecxz .Lopen                            ; MOV and JECXZ leave the flags alone
    call deliver
.Lopen:
    pop ecx
    UPCALL_LEAVE
unblock_left:
    ret

; timer: the timer upcall: does nothing.
timer:
    push ecx
    mov dword ptr [vp + SA_VP_LOCK], 0
    mov ecx, [vp + SA_VP_PENDING]
    jecxz .Lopen
    call deliver
.Lopen:
    pop ecx
    UPCALL_LEAVE
timer_left:
    ret

; second: an upcall on the second stack, because the lock is held: notes which activation can go on.
second:
    push ecx
    mov ecx, [esp + SAVED + UPCALL_SIZE]
    mov [unblocked], ecx
    mov dword ptr [vp + SA_VP_SECOND], second_stack
    pop ecx
    UPCALL_LEAVE
second_left:
    ret

; open: opens the lock, and asks for an upcall that came meanwhile.
open:
    mov dword ptr [vp + SA_VP_LOCK], 0
    cmp dword ptr [vp + SA_VP_PENDING], 0
    jne deliver
    ret

; deliver: asks for an upcall that was delayed.
;   out   all registers and flags kept
deliver:
    mov dword ptr [vp + SA_VP_PENDING], 0
    push eax
    push ebx
    mov eax, SYS_SA_CONTROL
    mov ebx, SA_DELIVER
    int VECTOR_SYSCALL
    pop ebx
    pop eax
    ret

.data

.align 4
init:                           ; SA_INIT
    .long 0, 1, vp, blocked, unblock, timer, second
    .long 0                     ; the second stack is taken at once
    .long 0, 0
vp:                             ; SA_VP
    .long 0, 0, working_stack, second_stack
system_call:                    ; the way into the kernel
    .long syscall_by_int

.bss

.align 4
rounds:                         ; still to come
    .space 4
unblocked:                      ; the id of an activation that can go on, or 0
    .space 4
    .space WORKING_STACK
working_stack:
    .space SECOND_STACK
second_stack:
event:                          ; first letters of arguments
    .space 1
what:
    .space 1
received:
    .space 1
