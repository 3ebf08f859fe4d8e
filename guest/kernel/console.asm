; The console: a 16550A at COM1, 115200 baud, output only and polled (PC16550D data sheet, section 8).
;
; Owns the UART. Everybody calls. Polled, because then a program's output costs time where it is written and nowhere
; else: no interrupt of the console ever falls into a path that somebody measures.

.include "kernel.inc"

PAUSE = 5000                    ; turns of an empty loop between two looks at the UART, 50 us at 200 MHz

.text

; console_init: sets the UART up.
.global console_init
;
; A table of registers and values is all there is to it: the divisor behind DLAB, the line, no interrupts, the FIFO.
console_init:
    push esi
    mov esi, uart_setup
.Lregister:
    movzx edx, byte ptr [esi]
    mov al, [esi + UART_SETUP_VALUE]
    add edx, COM1
    out dx, al
    add esi, UART_SETUP_SIZE
    cmp esi, uart_setup_end
    jb .Lregister
    pop esi
    ret

; console_char: sends one byte.
;   in    AL = byte
;   out   all registers kept
;
; The UART says when its FIFO is empty, not how much room there is. So we count: once it was seen empty, UART_FIFO bytes
; go in without another look. Between looks we wait: a port read is slow, and for everybody on the bus.
.global console_char
console_char:
    push ecx
    push edx
    push eax
    dec dword ptr [console_room]
    jns .Lsend
    mov ecx, LSR_THRE
    call console_wait
    mov dword ptr [console_room], UART_FIFO - 1
.Lsend:
    mov edx, COM1 + UART_DATA
    mov eax, [esp]
    out dx, al
    pop eax
    pop edx
    pop ecx
    ret

; console_wait: waits for a bit of the line status.
;   in    CL = LSR_THRE or LSR_TEMT
console_wait:
    mov edx, COM1 + UART_LSR
    in al, dx
    test al, cl
    jnz .Lreturn
    mov eax, PAUSE
.Lpause:
    dec eax
    jnz .Lpause
    jmp console_wait
.Lreturn:
    ret

; console_drain: waits until the last bit has left.
.global console_drain
console_drain:
    mov ecx, LSR_TEMT
    jmp console_wait

; console_write: sends bytes.
;   in    EAX = the first, EDX = how many
.global console_write
console_write:
    push esi
    mov esi, eax
.Lbyte:
    sub edx, 1
    jb .Lreturn
    lodsb
    call console_char
    jmp .Lbyte
.Lreturn:
    pop esi
    ret

; console_string: sends a text.
;   in    EAX = text, ended by a zero byte
.global console_string
console_string:
    push esi
    mov esi, eax
.Lbyte:
    lodsb
    test al, al
    jz .Lreturn
    call console_char
    jmp .Lbyte
.Lreturn:
    pop esi
    ret

; console_hex: sends a number as 0x1f, without leading zeros.
;   in    EAX = number
.global console_hex
console_hex:
    push ebx
    mov ebx, eax
    mov eax, text_0x
    call console_string
    xor ecx, ecx
    test ebx, ebx
    jz .Ldigit
    bsr ecx, ebx
    and ecx, ~3                 ; the first bit of the highest digit that is not 0
.Ldigit:
    mov eax, ebx
    shr eax, cl
    and eax, 0xF
    mov al, [hex_digits + eax]
    call console_char
    sub ecx, 4
    jns .Ldigit
    pop ebx
    ret

; console_decimal: sends a number in decimal.
;   in    EAX = number, unsigned
.global console_decimal
console_decimal:
    push ebx
    mov ebx, 10
    xor ecx, ecx
.Ldivide:                       ; the digits come lowest first: onto the stack with them
    xor edx, edx
    div ebx
    push edx
    inc ecx
    test eax, eax
    jnz .Ldivide
.Ldigit:
    pop eax
    add al, '0'
    call console_char
    dec ecx
    jnz .Ldigit
    pop ebx
    ret

.rodata

text_0x:
    .asciz "0x"
hex_digits:
    .ascii "0123456789abcdef"

UART_SETUP_VALUE = 1            ; an entry of uart_setup: register, value
UART_SETUP_SIZE  = 2
uart_setup:
    .byte UART_LCR,  LCR_DLAB
    .byte UART_DATA, DLL_115200
    .byte UART_IER,  0          ; the divisor's high byte
    .byte UART_LCR,  LCR_8N1
    .byte UART_IER,  0          ; no interrupts
    .byte UART_FCR,  FCR_RESET
    .byte UART_MCR,  MCR_READY
uart_setup_end:

.bss

.global console_room

.align 4
console_room:                   ; bytes that the transmit FIFO takes for sure
    .space 4
