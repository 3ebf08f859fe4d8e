; The network in the kernel: who we are, the card and its interrupts, and time.
;
; The network runs with interrupts off: in a system call, at an interrupt of the card, and now and then at a tick. It never
; runs where the kernel has them on, to wait for the console, so nothing of it is ever interrupted by itself.

.include "kernel/kernel.inc"

NET_TICK = 10                   ; milliseconds between two calls of net_tick
MILLISECOND = 1000000           ; nanoseconds
ADDRESS_BYTES = 4
LINE_FIRST = 3                  ; lines of cards: not the timer's, the keyboard's, the second 8259A's;
LINE_GONE = 7                   ;   and not the last of either chip, where requests go that went away
LINE_END = 15

.text

; network_init: finds the card and makes us known; without a card, we are only known to ourselves.
.global network_init
network_init:
    push ebx
    mov eax, text_network
    call console_string
    call host_init
    call network_address
    mov ebx, text_no_card
    call e1000_find
    jc .Lknown
    mov ebx, text_no_line
    cmp edx, LINE_FIRST
    jb .Lknown
    cmp edx, LINE_END
    jae .Lknown
    cmp edx, LINE_GONE
    je .Lknown
    mov [card_line], edx

    mov edx, E1000_REGISTERS
    call device_map
    push eax
    mov eax, E1000_SIZE
    call device_memory
    pop ecx
    jc .Lno_memory
    mov edx, eax
    mov eax, ecx
    mov ecx, edx
    sub ecx, KERNEL_BASE
    call e1000_init
    mov ecx, [card_line]
    call line_open
    mov ebx, text_card
.Lknown:
    mov eax, ebx
    call console_string
    pop ebx
    jmp host_start
.Lno_memory:
    mov eax, text_no_memory
    jmp panic

; network_address: writes an address as 10.0.0.2.
;   in    EAX = address
network_address:
    push ebx
    push esi
    mov ebx, eax
    mov esi, ADDRESS_BYTES
.Lbyte:
    movzx eax, bl
    call console_decimal
    shr ebx, 8
    dec esi
    jz .Lreturn
    mov al, '.'
    call console_char
    jmp .Lbyte
.Lreturn:
    pop esi
    pop ebx
    ret

; network_interrupt: a line other than the timer's has fired.
;   in    EAX = trap frame
;   out   when the interrupted thread runs again
.global network_interrupt
network_interrupt:
    mov ecx, [eax + FRAME_VECTOR]
    sub ecx, VECTOR_IRQ0
    cmp ecx, [card_line]
    jne pic_unexpected
    push eax
    call e1000_interrupt
    mov ecx, [card_line]
    call line_done
    pop eax
    jmp sched_tick

; network_timer: a tick: the network's time, before it is everybody's. The first tick of all finds that none has passed.
;   in    EAX = trap frame
;   out   when the interrupted thread runs again
.global network_timer
network_timer:
    push eax
    mov eax, [clock_low]
    sub eax, [counted]
    xor edx, edx
    mov ecx, MILLISECOND
    div ecx
    add [milliseconds], eax
    mov eax, [clock_low]
    sub eax, edx
    mov [counted], eax
    cmp dword ptr [net_loop_waits], 0
    jne .Ltick
    mov eax, [milliseconds]
    sub eax, [ticked]
    cmp eax, NET_TICK
    jb .Lreturn
.Ltick:
    mov eax, [milliseconds]
    mov [ticked], eax
    call net_tick
.Lreturn:
    pop eax
    jmp timer_interrupt

; net_clock: the time.
;   out   EAX = milliseconds
.global net_clock
net_clock:
    mov eax, [milliseconds]
    ret

.rodata

text_network:
    .asciz "network: "
text_card:
    .asciz ", 82540EM\n"
text_no_card:
    .asciz ", no card\n"
text_no_line:
    .asciz ", no card: it has no interrupt line\n"
text_no_memory:
    .asciz "not enough memory for the network card"

.bss

.global card_line

.align 4
card_line:                      ; the card's interrupt line; 0: no card
    .space 4
milliseconds:                   ; since timer_init
    .space 4
counted:                        ; clock_low up to which these are counted
    .space 4
ticked:                         ; milliseconds at the last net_tick
    .space 4
