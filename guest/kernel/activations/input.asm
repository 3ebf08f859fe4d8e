; The console's input: what the UART receives, as a pipe that every program may read.
;
; Owns the UART's receiver (PC16550D data sheet, section 8); console.asm has the rest. The line stays closed until the
; first program asks for input, so programs that do not are never interrupted.

.include "activations.inc"

.text

; input_open: the pipe; opens the line, if nobody has yet.
;   out   EAX = PIPE; CF clear
.global input_open
input_open:
    mov eax, console_input
    cmp dword ptr [eax + PIPE_READERS + LINK_NEXT], 0
    jne .Lopen
    add eax, PIPE_READERS
    call ring_init
    add eax, PIPE_WRITERS - PIPE_READERS
    call ring_init
    mov edx, COM1 + UART_IER
    mov al, IER_ERBFI
    out dx, al
    mov ecx, IRQ_COM1
    call pic_open
    mov eax, console_input
.Lopen:
    clc
    ret

; input_interrupt: the UART has received something: takes all there is.
.global input_interrupt
input_interrupt:
    call pic_done               ; before the UART is emptied: what comes later interrupts again
    push ebx
    mov ebx, console_input
    push dword ptr [ebx + PIPE_WRITTEN]
.Lbyte:
    mov edx, COM1 + UART_LSR
    in al, dx
    test al, LSR_DR
    jz .Lempty
    mov edx, COM1 + UART_DATA
    in al, dx
    mov ecx, [ebx + PIPE_WRITTEN]
    mov edx, ecx
    sub edx, [ebx + PIPE_READ]
    cmp edx, PIPE_BYTES
    je .Lbyte                   ; nobody reads: it is lost
    and ecx, PIPE_BYTES - 1
    mov [ebx + PIPE_DATA + ecx], al
    inc dword ptr [ebx + PIPE_WRITTEN]
    jmp .Lbyte
.Lempty:
    pop eax
    cmp eax, [ebx + PIPE_WRITTEN]
    je .Lnothing
    call pipe_arrived
.Lnothing:
    pop ebx
    ret

.bss

.global console_input

.align 4
console_input:                  ; a PIPE; all zero until input_open
    .space PIPE_SIZE
