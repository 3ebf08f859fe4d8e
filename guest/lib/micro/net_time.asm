; Time for the network, which counts in milliseconds: a thread of ours, the ticker, sends the driver the time.
;
; In `l4` it waits, with a timeout, for a message that nobody sends, and finds the time in the kernel interface page. In
; `uls` it sleeps with the root task, whose ticks it counts. So the driver itself never waits with a timeout, which would
; keep its IPC off the kernel's fast path.

.include "lib/micro/user.inc"

NET_TICK = 10                   ; milliseconds between two calls of net_tick
MILLISECOND = 1000              ; microseconds
SLEEP = 4 << TIMEOUT_EXPONENT_SHIFT | NET_TICK * MILLISECOND >> 4       ; NET_TICK as a timeout
STACK = 512

.text

; time_init: time begins.
.global time_init
time_init:
    mov eax, ticker
    mov edx, stack_top
    call net_thread
    mov [time_ticker], eax
    ret

; ticker: the thread.
ticker:
    test dword ptr [KIP_BASE + KIP_FEATURES], KIP_ULS
    jnz .Lticks
    mov eax, NIL_THREAD
    mov edx, [net_driver]
    mov ecx, SLEEP
    xor esi, esi
    call ipc
    mov ebx, [KIP_BASE + KIP_CLOCK_LOW]
    jmp .Lsend
.Lticks:
    mov eax, NET_TICK * MILLISECOND
    xor edx, edx
    div dword ptr [KIP_BASE + KIP_TICK_US]
    cmp eax, 1
    adc eax, 0                  ; one tick, if that is longer
    call program_sleep
    imul eax, [KIP_BASE + KIP_TICK_US]
    mov ebx, eax
.Lsend:
    mov eax, [net_driver]
    mov esi, 1
    call ipc_send
    jmp ticker

; time_is: it is now.
;   in    EAX = microseconds, modulo 2^32
.global time_is
time_is:
    push eax
    sub eax, [counted]
    xor edx, edx
    mov ecx, MILLISECOND
    div ecx
    add [milliseconds], eax
    pop eax
    sub eax, edx                ; what is no whole millisecond counts the next time
    mov [counted], eax
    jmp net_tick

; net_clock: the time.
;   out   EAX = milliseconds
.global net_clock
net_clock:
    mov eax, [milliseconds]
    ret

.bss

.global time_ticker

.align 16
    .space STACK
stack_top:                      ; below it: the ticker's LOCAL
time_ticker:                    ; its identifier
    .space 4
milliseconds:                   ; that have been counted
    .space 4
counted:                        ; microseconds up to which these are counted
    .space 4
