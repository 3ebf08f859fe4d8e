; A user thread waits for input while others compute, without activations: SIGIO says when a byte has come.
;
; The arguments are how many threads compute, and how many bytes are read; then the program ends. All threads are one
; kernel thread. What a handler interrupts is all on that thread's stack, in the SIGNAL; so a thread that computes and
; does not run is the address of its SIGNAL_NUMBER, and SYS_SIGNAL_RETURN goes on with it. The handler switches straight
; to the reader, which runs with SIGIO masked until it waits again: nothing is lost, and nothing needs a lock.

THREADS_MAX   = 64
THREAD_STACK  = 1024            ; bytes, with a SIGNAL and what a handler pushes
IDLE_TICKS    = 1000            ; where nobody computes one sleeps, again and again
first         = stacks + THREAD_STACK - SIGNAL_SIZE + SIGNAL_REGS       ; REGS with which the first thread begins

.text

; main: makes the threads, and is the reader.
;   in    EAX = argument string
;   out   EAX = exit code
.global main
main:
    push ebx
    push esi
    push eax                                ; room for a byte
    call argument_next
    mov esi, eax
    call argument_number
    mov edx, idle
    test eax, eax
    jz .Lone
    cmp eax, THREADS_MAX
    ja main_fail
    mov edx, compute
    mov [thread_count], eax
.Lone:
    call threads_make
    mov eax, esi
    call argument_next
    call argument_number
    mov ebx, eax
    mov esi, esp
reader_wait:
    call input_wait
reader_is_told:
    mov eax, CONSOLE_INPUT
    mov edx, esi
    mov ecx, 1
    call sys_read
reader_goes_on:
    dec ebx
    jnz reader_wait
    xor eax, eax
main_return:
    pop ecx
    pop esi
    pop ebx
    ret
main_fail:
    mov eax, 1
    jmp main_return

; threads_make: makes the threads that compute, each as if a signal had interrupted it in front of its first
; instruction.
;   in    EDX = where they begin
threads_make:
    push ebx
    xor ecx, ecx
    mov eax, stacks + THREAD_STACK - SIGNAL_SIZE
.Lnext:
    mov [threads + ecx * 4], eax
    add dword ptr [threads + ecx * 4], SIGNAL_NUMBER
    mov [eax + SIGNAL_REGS + REGS_EIP], edx
    mov ebx, cs
    mov [eax + SIGNAL_REGS + REGS_CS], ebx
    mov ebx, ss
    mov [eax + SIGNAL_REGS + REGS_SS], ebx
    mov [eax + SIGNAL_REGS + REGS_DS], ebx
    mov [eax + SIGNAL_REGS + REGS_ES], ebx
    mov dword ptr [eax + SIGNAL_REGS + REGS_EFLAGS], FLAGS_USER
    mov [eax + SIGNAL_REGS + REGS_ESP], eax
    add eax, THREAD_STACK
    inc ecx
    cmp ecx, [thread_count]
    jb .Lnext

    ; The first asks for the signal, so it is the reader's turn for the first time when it waits.
    mov dword ptr [first + REGS_EIP], listen
    mov [first + REGS_EBP], edx
    pop ebx
    ret

; input_wait: the reader waits: the next thread that computes has its turn.
;   out   when a byte has come
input_wait:
    push ebx
    push esi
    push edi
    push ebp
    mov [reader_stack], esp
    mov eax, [thread_next]
    mov [thread_current], eax
    mov esp, [threads + eax * 4]
    inc eax
    cmp eax, [thread_count]
    jb .Lnext
    xor eax, eax
.Lnext:
    mov [thread_next], eax
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL

; input_came: the handler of SIGIO: the reader goes on, in the middle of whatever it has interrupted.
;   in    ESP = SIGNAL
input_came:
    add esp, SIGNAL_NUMBER
    mov eax, [thread_current]
    mov [threads + eax * 4], esp
    mov esp, [reader_stack]
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; listen: where the first thread begins: asks for SIGIO.
;   in    EBP = what the thread is to do then
listen:
    mov eax, SYS_SIGNAL_ACTION
    mov ebx, SIGIO
    mov esi, input_came                     ; which does not return, so it needs no trampoline
    int VECTOR_SYSCALL
    mov eax, SYS_SIGNAL_INPUT
    mov ebx, CONSOLE_INPUT
    mov esi, 1
    int VECTOR_SYSCALL
    jmp ebp

; compute: works for ever.
compute:
    call busy
    jmp compute

; idle: where nobody computes.
idle:
    mov eax, SYS_SLEEP
    mov ebx, IDLE_TICKS
    int VECTOR_SYSCALL
    jmp idle

.data

.align 4
thread_count:                   ; those that compute, or sleep
    .long 1

.bss

.align 4
thread_current:                 ; the one that computes
    .space 4
thread_next:                    ; the one whose turn is next
    .space 4
reader_stack:                   ; the reader's stack pointer while it waits
    .space 4
threads:                        ; addresses of a SIGNAL's SIGNAL_NUMBER
    .space 4 * THREADS_MAX
stacks:
    .space THREAD_STACK * THREADS_MAX
