; Interrupts: the tick's and the card's. While a handler of events runs, the network has to wait: the handler may have been
; called from the midst of it.

.include "ecalls.inc"

SECOND = 8                      ; first line of the second 8259A

.text

; tick_interrupt: a tick.
;   in    EAX = trap frame
;   out   when the interrupted code goes on; not if that was a handler that has run too long
.global tick_interrupt
tick_interrupt:
    cmp dword ptr [handler_running], 0
    jne .Lhandler
    call network_timer
    call io_tick
    jmp deferred_tick
.Lhandler:
    call timer_interrupt        ; the network's time is made up for at the next tick
    jmp handler_tick

; line_interrupt: a line other than the timer's has fired.
;   in    EAX = trap frame
.global line_interrupt
line_interrupt:
    cmp dword ptr [handler_running], 0
    je network_interrupt
    mov ecx, [eax + FRAME_VECTOR]
    sub ecx, VECTOR_IRQ0
    push ecx
    call line_close             ; it would fire again and again
    pop ecx
    bts dword ptr [bottom_halves], BOTTOM_LINE
    jmp line_done

; line_again: a bottom half: opens the card's line again, which had to wait.
.global line_again
line_again:
    mov ecx, [card_line]
    jmp line_open

; line_close: masks a line.
;   in    ECX = line, 0 to 15
line_close:
    cmp ecx, SECOND
    jae .Lsecond
    in al, PIC1_DATA
    bts eax, ecx
    out PIC1_DATA, al
    ret
.Lsecond:
    in al, PIC2_DATA
    sub ecx, SECOND
    bts eax, ecx
    out PIC2_DATA, al
    ret
