; The tick and the time of `l4`.
;
; Owns interrupt line 0, which no program can have, and the clock in the kernel interface page; interrupt.asm has set
; the rate. A tick goes on to sched_l4.asm, where somebody pays for it, and to timeout_l4.asm.

.include "policy_l4.inc"

.text

; sched_interrupt: does an interrupt belong to the policy?
;   in    EAX = line, EBP = the interrupted thread, or idle_ktcb
;   out   CF set: it is the tick, which is done; EAX = KTCB of who gets the processor
;         CF clear: no; EAX kept
.global sched_interrupt
sched_interrupt:
    test eax, eax                               ; clears CF
    jnz .Lreturn
    call line_done
    add dword ptr [clock_ns], TICK_NS % 1000
    mov eax, TICK_NS / 1000
    cmp dword ptr [clock_ns], 1000
    jb .Ladd
    sub dword ptr [clock_ns], 1000
    inc eax
.Ladd:
    add [kip + KIP_CLOCK_LOW], eax
    adc dword ptr [kip + KIP_CLOCK_HIGH], 0
    call sched_charge
    call timeout_tick
    stc
.Lreturn:
    ret

; sys_clock: the time.
;   in    EBP
;   out   does not return; the frame's EDX:EAX = us since the start, as of the last tick
.global sys_clock
sys_clock:
    mov eax, [kip + KIP_CLOCK_LOW]
    mov edx, [kip + KIP_CLOCK_HIGH]
    mov [ebp + KTCB_EAX], eax
    mov [ebp + KTCB_EDX], edx
    jmp resume

.bss

.align 4
clock_ns:                       ; nanoseconds beyond the microseconds that the clock shows
    .space 4
