; Is Clock the time in the kernel interface page, and does it advance by a tick at a tick?

.include "../stage.inc"

.text

; main: notes y for each yes.
.global main
main:
    WAIT_US 1
    call clock
    cmp eax, [KIP_BASE + KIP_CLOCK_LOW]
    jne failed
    cmp edx, [KIP_BASE + KIP_CLOCK_HIGH]
    jne failed
    NOTE 'y'
    mov ebx, eax
    WAIT_US 1
    call clock
    sub eax, ebx
    sub eax, [KIP_BASE + KIP_TICK_US]
    cmp eax, 1                              ; the tick is no whole number of us
    ja failed
    NOTE 'y'
    jmp stage_end
failed:
    NOTE 'n'
    jmp stage_end
