; Interrupt lines of both 8259As.

.include "kernel/kernel.inc"

CASCADE = 2                     ; the line of the first chip by which the second comes in
SECOND = 8                      ; first line of the second

.text

; line_open: unmasks a line.
;   in    ECX = line, 0 to 15
.global line_open
line_open:
    cmp ecx, SECOND
    jb pic_open
    in al, PIC2_DATA
    sub ecx, SECOND
    btr eax, ecx
    out PIC2_DATA, al
    mov ecx, CASCADE
    jmp pic_open

; line_done: ends the interrupt of a line that is in service.
;   in    ECX = line
.global line_done
line_done:
    cmp ecx, SECOND
    jb pic_done
    mov al, OCW2_EOI
    out PIC2_COMMAND, al
    jmp pic_done
