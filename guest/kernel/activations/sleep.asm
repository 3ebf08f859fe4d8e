; Threads that wait for a tick; and what else happens at a tick.
;
; Owns the ring of sleepers, earliest first, so that a tick looks at one thread unless it wakes some. The system call
; comes from syscall.asm, the tick from timer.asm.

.include "activations.inc"

.text

; sys_sleep: waits for a number of ticks; see syscall.asm for what a system call may rely on.
;   in    EBX = ticks, 1 to 7FFFFFFFh; anything else counts as a time that has passed, which the next tick finds
;   out   EAX = 0, or an error of wait_block's
;
; The place is looked for from the end: threads that sleep equally long lie down in the order in which they wake.
.global sys_sleep
sys_sleep:
    CURRENT edx
    test ebx, ebx
    jns .Lfuture
    xor ebx, ebx
.Lfuture:
    add ebx, [clock_ticks]
    mov [edx + TCB_WAKE], ebx
    mov eax, sleepers
.Llook:
    mov edx, [eax + LINK_PREV]
    cmp edx, sleepers
    je .Lhere
    mov ecx, ebx
    sub ecx, [edx - ACT_LINK + TCB_WAKE]
    jns .Lhere                          ; by the sign of the difference, because ticks wrap around
    mov eax, edx
    jmp .Llook
.Lhere:
    call wait_block
    jc .Lreturn
    xor eax, eax
.Lreturn:
    ret

; sleep_tick: wakes the threads whose tick has come, then lets signals and upcalls have theirs.
.global sleep_tick
sleep_tick:
    mov eax, sleepers
    mov edx, [eax + LINK_NEXT]
    cmp edx, eax
    je .Lawake
    mov ecx, [clock_ticks]
    sub ecx, [edx - ACT_LINK + TCB_WAKE]
    js .Lawake
    call wait_wake
    jmp sleep_tick
.Lawake:
    call signal_tick
    jmp activation_tick

.data

.align 4
sleepers:                               ; LINK: the ring's head
    .long sleepers, sleepers
