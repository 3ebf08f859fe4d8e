; The tick and the time: channel 0 of the 8254, TICK_HZ times a second (Intel 8254 data sheet, mode 2).
;
; Owns the clock. start calls timer_init; then interrupts come by the trap table, and each tick goes on to sleep.asm
; and sched.asm.

.include "kernel.inc"

.if TICK_HZ < 19 || TICK_HZ > 100000
.error "TICK_HZ must be 19 to 100000: slower than the 8254 can count, or too fast for anything else to run"
.endif

PIT_COUNT = (PIT_HZ + TICK_HZ / 2) / TICK_HZ                ; crystal periods per tick, rounded
TICK_NS   = PIT_COUNT * PIT_PICOSECONDS / 1000              ; what that is in nanoseconds

.text

; timer_init: starts the tick.
.global timer_init
timer_init:
    mov al, PIT_RATE
    out PIT_CONTROL, al
    mov al, PIT_COUNT & 0xFF
    out PIT_CHANNEL0, al
    mov al, PIT_COUNT >> 8
    out PIT_CHANNEL0, al
    xor ecx, ecx                ; line 0
    jmp pic_open

; timer_interrupt: a tick.
;   in    EAX = trap frame
;   out   when the interrupted thread runs again
.global timer_interrupt
timer_interrupt:
    push eax
    call pic_done               ; before another thread is switched to, whose interrupts would wait for ours
    add dword ptr [clock_low], TICK_NS
    adc dword ptr [clock_high], 0
    inc dword ptr [clock_ticks]
    call sleep_tick
    pop eax
    jmp sched_tick

.bss

.global clock_low, clock_high, clock_ticks

.align 4
clock_low:                      ; nanoseconds since timer_init, lower half
    .space 4
clock_high:                     ; upper half
    .space 4
clock_ticks:                    ; ticks, modulo 2^32
    .space 4
