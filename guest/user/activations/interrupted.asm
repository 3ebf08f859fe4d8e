; A busy application that is interrupted, with a signal's handler or without.
;
; Its arguments are EVENT WAY TICKS. EVENT is tick or input, WAY is none or signal: SIGALRM at every tick, or SIGIO
; whenever the UART has received something; the handler is empty. Nothing measures here: the image's paths do.

.text

; main: computes until its time is over.
;   in    EAX = argument string
;   out   EAX = 0
.global main
main:
    push ebx
    push esi
    push edi
    call argument_next
    mov esi, eax                            ; EVENT
    call argument_next
    mov edi, eax                            ; WAY
    call argument_next
    call argument_number
    call busy_until
    xor ecx, ecx
    cmp byte ptr [edi], 's'
    sete cl
    cmp byte ptr [esi], 't'
    mov eax, ecx
    jne .Linput
    call ask_ticks
    jmp .Lbusy
.Linput:
    call ask_input

.Lbusy:
    call busy
    call busy_over
    jnz .Lbusy
    xor eax, eax
    pop edi
    pop esi
    pop ebx
    ret

; ask_ticks: a signal at every tick.
;   in    EAX = 1, or 0: none
ask_ticks:
    push ebx
    push eax
    mov ebx, SIGALRM
    call handle
    mov eax, SYS_SIGNAL_TIMER
    pop ebx
    int VECTOR_SYSCALL
    pop ebx
    ret

; ask_input: what the UART receives interrupts from now on.
;   in    EAX = 1: with a signal, or 0: without
ask_input:
    push ebx
    push esi
    mov esi, eax
    mov ebx, SIGIO
    call handle
    mov eax, SYS_SIGNAL_INPUT
    mov ebx, CONSOLE_INPUT
    int VECTOR_SYSCALL
    pop esi
    pop ebx
    ret

; handle: gives a signal its handler.
;   in    EBX = signal
handle:
    push esi
    push edi
    mov eax, SYS_SIGNAL_ACTION
    mov esi, handler
    mov edi, handler_over
    int VECTOR_SYSCALL
    pop edi
    pop esi
    ret

; handler: of the signal.
handler:
    ret

; handler_over: where a handler's RET goes.
handler_over:
    mov eax, SYS_SIGNAL_RETURN
    int VECTOR_SYSCALL
