; Does a ready thread that is halted run no more until it is set going?

.include "../stage.inc"

.text

; main: stops one of two, and lets it go on.
.global main
main:
    PLAYER a, 100, 2
    PLAYER b, 100, 2
    mov [b_id], eax
    SLEEP 8
    mov ecx, EXREG_SET_HALT | EXREG_HALT
    call set_halt
    SLEEP 6
    xor ecx, ecx
    mov ecx, EXREG_SET_HALT
    call set_halt
    SLEEP 8
    jmp stage_end

; set_halt: ECX = control of ExchangeRegisters for b.
set_halt:
    NOTE '-'
    mov eax, [b_id]
    jmp exchange_registers

a:
    NOTE_TICKS 'a'
b:
    NOTE_TICKS 'b'

.bss

b_id:
    .space 4
