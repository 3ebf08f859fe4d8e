; A busy application: it computes, and only now and then looks at the time. What interrupts it comes while it computes.

WORK = 500                      ; turns of a loop of divisions between two looks

.text

; busy: computes for a while.
.global busy
busy:
    mov ecx, WORK
    mov eax, ecx
.Lturn:
    .rept 8
    xor edx, edx
    div ecx
    .endr
    dec ecx
    jnz .Lturn
    ret

; busy_until: says how long to be busy.
;   in    EAX = ticks
.global busy_until
busy_until:
    mov [ticks_left], eax
    call sys_time
    mov [time_seen], eax
    ret

; busy_over: looks at the time: if it has moved on, a tick has come.
;   out   ZF set: so many ticks have
.global busy_over
busy_over:
    call sys_time
    cmp eax, [time_seen]
    je .Lsame
    mov [time_seen], eax
    dec dword ptr [ticks_left]
.Lsame:
    cmp dword ptr [ticks_left], 0
    ret

.bss

.align 4
ticks_left:
    .space 4
time_seen:                      ; lower half
    .space 4
