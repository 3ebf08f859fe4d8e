; Does any sequence of system calls, of several threads, leave the kernel standing? The test sets the seed.

.include "test.inc"

THREADS = 6
CALLS   = 1500                  ; of each thread; then it ends

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGUSR1, handler, trampoline
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGALRM, handler, trampoline
    CALL_KERNEL SYS_SIGNAL_ACTION, SIGIO, handler, trampoline
    CALL_KERNEL SYS_SIGNAL_TIMER, 3
    mov ebp, THREADS
make:
    imul esi, ebp, 512
    add esi, stacks
    mov edi, [seed]
    add edi, ebp
    THREAD thread, esi, edi
    dec ebp
    jnz make
    mov eax, [seed]

thread:                         ; EAX = its seed
    mov ebp, eax
    push CALLS
next:
    dec dword ptr [esp]
    jz over
    call random                 ; a call, and arguments: half of them such as make sense
    mov ecx, eax
    call argument
    mov ebx, eax
    call argument
    mov esi, eax
    call argument
    mov edi, eax
    mov eax, ecx
    xor edx, edx
    mov ecx, ACT_CALLS + 1
    div ecx
    mov eax, edx
    .irp number, SYS_EXIT, SYS_WRITE, SYS_SIGNAL_RETURN, SYS_SIGNAL_ACTION, SYS_SIGNAL_TIMER, SYS_SA_INIT, SYS_SA_RESTORE
    cmp eax, \number            ; would end it, or take too long, or end the test's own signals
    je next
    .endr
    cmp eax, SYS_SLEEP
    jne no_sleep
    and ebx, 7
no_sleep:
    cmp eax, SYS_THREAD_CREATE
    jne no_thread
    mov ebx, ends
no_thread:
    cmp eax, SYS_THREAD_EXIT
    jne no_exit
    test ebp, 0x1F000
    jnz next
no_exit:
    test ebp, 0x100
    jz by_int
    CALL_SYSENTER
    jmp next
by_int:
    int VECTOR_SYSCALL
    jmp next

over:
    CALL_KERNEL SYS_SELF
    cmp eax, 1
    jne ends
    EXIT 0                      ; whatever the others do
ends:
    CALL_KERNEL SYS_THREAD_EXIT, 0

argument:                       ; EAX = an argument
    call random
    test eax, 0x1000
    jz .Lreturn                 ; anything
    mov edx, eax
    and eax, 0xF                ; a small number
    test edx, 0x2000
    jz .Lreturn
    and edx, 0xC000
    shr edx, 14
    mov eax, [pointers + edx * 4]
.Lreturn:
    ret

random:                         ; EAX = the next number of a linear congruential generator, its high half first
    imul ebp, ebp, 1664525
    add ebp, 1013904223
    mov eax, ebp
    rol eax, 16
    ret

handler:
    ret
trampoline:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

.data
.align 4
pointers:
    .long buffer, _start, USER_STACK_BASE, buffer + 2 * PAGE_SIZE - 4
seed:
    .long SEED

.bss
.align PAGE_SIZE
buffer:
    .space 2 * PAGE_SIZE
    .space 512
stacks:
    .space THREADS * 512
