; The two 8259A interrupt controllers (Intel 8259A data sheet).
;
; Owns which lines are open: so far only the timer's. start calls pic_init, the timer's driver the rest.

.include "kernel.inc"

.text

; pic_init: lines 0 to 15 become vectors from VECTOR_IRQ0 on, all masked.
.global pic_init
;
; ICW1 begins the sequence, the next three bytes to the data port are ICW2 to ICW4, and from then on it is the mask.
pic_init:
    mov al, ICW1_INIT
    out PIC1_COMMAND, al
    out PIC2_COMMAND, al
    mov al, VECTOR_IRQ0         ; ICW2: the vector of the chip's line 0
    out PIC1_DATA, al
    mov al, VECTOR_IRQ0 + 8
    out PIC2_DATA, al
    mov al, ICW3_MASTER         ; ICW3: who hangs on whom
    out PIC1_DATA, al
    mov al, ICW3_SLAVE
    out PIC2_DATA, al
    mov al, ICW4_8086
    out PIC1_DATA, al
    out PIC2_DATA, al
    mov al, OCW1_ALL
    out PIC1_DATA, al
    out PIC2_DATA, al
    ret

; pic_open: unmasks a line of the first chip.
;   in    ECX = line, 0 to 7
.global pic_open
pic_open:
    in al, PIC1_DATA
    btr eax, ecx
    out PIC1_DATA, al
    ret

; pic_done: ends the interrupt of the first chip that is in service. Until then it and all below it wait.
;   out   EAX destroyed; everything else kept
.global pic_done
pic_done:
    mov al, OCW2_EOI
    out PIC1_COMMAND, al
    ret

; pic_spurious_first: a request of the first chip went away before it was acknowledged. Nothing is in service there.
.global pic_spurious_first
pic_spurious_first:
    ret

; pic_spurious_second: the same on the second chip. The first chip has its line 2 in service all the same.
.global pic_spurious_second
pic_spurious_second:
    jmp pic_done

; pic_unexpected: an interrupt from a line that is masked.
;   in    EAX = trap frame
.global pic_unexpected
pic_unexpected:
    mov eax, text_unexpected
    jmp panic

.rodata

text_unexpected:
    .asciz "an interrupt from a masked line"
