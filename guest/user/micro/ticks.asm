; Ticks: in `uls` the timer is an interrupt like any other, and the root scheduler is its handler.
;
; Owns line 0 and those who sleep. In `l4` the tick is the kernel's, and all this rests.

.include "lib/micro/user.inc"

TIMER = 1                       ; identifier of the thread of line 0: version 1
TICKS_KEPT = 4                  ; 2^-4 of the longest tick is forgotten with each

.text

; ticks_init: becomes the timer's handler, which opens its line.
.global ticks_init
ticks_init:
    test dword ptr [features], KIP_ULS
    jz .Lreturn
    push esi
    rdtsc
    mov [ticks_stamp], eax
    mov eax, TIMER
    mov edx, TIMER
    mov ecx, NIL_THREAD
    mov esi, ROOT_TASK
    call thread_control
    pop esi
.Lreturn:
    ret

; ticks_interrupt: the tick. Wakes those whose time has come.
;   in    EAX = thread of the line
.global ticks_interrupt
ticks_interrupt:
    xor esi, esi                ; any answer opens the line again
    call ipc_send_now

    ; How long is a tick? One that comes late makes the next one short, so the longest counts, and is forgotten slowly.
    rdtsc
    mov ecx, eax
    xchg ecx, [ticks_stamp]
    sub eax, ecx
    mov edx, [ticks_cycles]
    mov ecx, edx
    sar ecx, TICKS_KEPT
    sub edx, ecx
    cmp eax, edx
    jge .Llonger
    mov eax, edx
.Llonger:
    mov [ticks_cycles], eax
    inc dword ptr [ticks]
    inc dword ptr [ticks_new]

    ; Those who sleep stand in no order. We go round once; who still sleeps is put at the end, up to the first of those.
    xor ebx, ebx                ; the first that still sleeps
.Lsleeper:
    mov eax, [sleepers]
    cmp eax, ebx
    je .Lreturn                 ; all seen, or nobody there
    mov edx, [ticks]
    cmp [eax + CLIENT_WAKE], edx
    je .Lwake
    test ebx, ebx
    jnz .Lagain
    mov ebx, eax
.Lagain:
    mov edx, sleepers
    call queue_last
    jmp .Lsleeper
.Lwake:
    call queue_leave
    mov edx, [ticks]
    call client_wake
    jmp .Lsleeper
.Lreturn:
    ret

; ticks_sleep: request ROOT_SLEEP.
;   in    EBP = client, EBX = ticks
.global ticks_sleep
ticks_sleep:
    test dword ptr [features], KIP_ULS
    jz client_refuse
    test ebx, ebx
    jz client_refuse
    add ebx, [ticks]
    mov [ebp + CLIENT_WAKE], ebx
    mov eax, ebp
    mov edx, sleepers
    jmp queue_last

.data

.align 4
ticks_cycles:                   ; what a tick takes, by RDTSC; never too little. -1: there was none yet
    .long -1

.bss

.global ticks_new, ticks_cycles

.align 4
ticks:                          ; since the start, modulo 2^32
    .space 4
ticks_new:                      ; since somebody was last given the processor
    .space 4
ticks_stamp:                    ; RDTSC at the last, the low half
    .space 4
sleepers:                       ; queue
    .space 4
