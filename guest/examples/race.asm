; Two threads add to one counter, and nobody keeps them apart: a race to find with `trapline explore`.
;
; Owns the two threads and what the kernel's files ask for beyond those that this image takes from it: start, sched_tick,
; sleep_tick, fault, sysenter_step, syscall_int, idle_thread, boot_stack_top. All of it runs in ring 0.
;
; Each thread adds 1 to `counter`, ROUNDS times, in a few microseconds; ticks are a millisecond apart, so in most runs
; none comes at the wrong moment. One that comes between the load and the store of add_one loses what the other thread
; has added meanwhile.

.include "../kernel/kernel.inc"

STACK = 1024                    ; bytes of the second thread's stack
DELAY = 4000                    ; turns of an empty loop: longer than the timer takes to load its count, and no tick

.text

; start: the first thread, once there are ticks.
;   in    ESP = a stack in idle_thread, paging on
;   out   does not return; the machine ends with 0 if nothing was lost, else with 1
.global start
start:
    call console_init
    call gdt_init
    call idt_init
    call pic_init
    mov dword ptr [other_stack], first_switch
    call timer_init
    mov ecx, DELAY
.Ldelay:
    dec ecx
    jnz .Ldelay
    sti
    call count_up

; race_wait: the first thread has done its part and waits for the other.
;   out   does not return
.global race_wait
race_wait:
    hlt
    cmp dword ptr [finished], 2
    jb race_wait
    cli

; race_end: says what the counter has come to, and ends the machine.
;   out   does not return
.global race_end
race_end:
    mov eax, [counter]
    call console_decimal
    mov eax, text_of
    call console_string
    mov eax, ROUNDS * 2
    call console_decimal
    mov al, '\n'
    call console_char
    xor eax, eax
    cmp dword ptr [counter], ROUNDS * 2
    je .Lend
    inc eax
.Lend:
    jmp machine_end

; second: the other thread begins here, on its first switch.
second:
    sti
    call count_up
.Lrest:
    hlt
    jmp .Lrest

; count_up: adds ROUNDS to the counter, one by one.
.global count_up
count_up:
    mov ecx, ROUNDS
.Lround:
    call add_one
    dec ecx
    jnz .Lround
    inc dword ptr [finished]
    ret

; add_one: what should not be interrupted, and can be.
;   out   EAX destroyed; everything else kept
.global add_one
add_one:
    mov eax, [counter]
    add eax, 1
    mov [counter], eax
    ret

; sched_tick: a tick has passed, the other thread goes on.
;   in    EAX = trap frame of the timer interrupt
;   out   at a later tick
.global sched_tick
sched_tick:
    push ebx
    push esi
    push edi
    push ebp
    xchg esp, [other_stack]
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; sleep_tick: nobody sleeps here.
.global sleep_tick
sleep_tick:
    ret

; fault, sysenter_step, syscall_int: nothing of the kind happens here.
.global fault, sysenter_step, syscall_int
fault:
sysenter_step:
syscall_int:
    mov eax, text_fault
    jmp panic

.rodata

text_of:
    .asciz " of "
text_fault:
    .asciz "a trap that nobody expects"

.data

.align 4
second_stack:                   ; of the second thread, as if it had left in sched_tick
    .space STACK
first_switch:
    .long 0, 0, 0, 0            ; EBP EDI ESI EBX
    .long second                ; where it goes on

.bss

.global idle_thread, boot_stack_top, counter

.align TCB_AREA
idle_thread:                    ; stack of the first thread
    .space TCB_AREA
boot_stack_top:
counter:                        ; what both add to
    .space 4
finished:                       ; threads that have added all of theirs
    .space 4
other_stack:                    ; ESP of the thread that does not run
    .space 4
