; Can a program attach itself to the line of the tick, or detach it?

.include "../stage.inc"

.text

; main: tries both, and then the line beside it.
.global main
main:
    mov ebx, 1                          ; line 0
    MYSELF esi
    call attach
    xor esi, esi
    call attach
    mov ebx, 1 << ID_SHIFT | 1          ; line 1
    MYSELF esi
    call attach
    WAIT_US 3000
    jmp stage_end

; attach: EBX = identifier of a line, ESI = handler or NIL_THREAD; notes what ThreadControl says.
attach:
    mov eax, ebx
    mov edx, ebx
    mov ecx, NIL_THREAD
    call thread_control
    add al, '0'
    NOTE al
    ret
