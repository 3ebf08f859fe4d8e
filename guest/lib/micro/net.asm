; The network in a program: one thread, the driver, has the card and all of the stack, and works by messages.
;
; Owns the driver and its loop. Since nobody else touches the stack, it needs no lock. Three kinds of messages come:
;
;     from an interrupt line      the card has something; the answer opens the line
;     from a thread of ours       a socket call (net_calls.asm); the answer comes when there is a result
;     from the ticker             time has passed (net_time.asm)
;
; What a message leads to can make calls due that have had to wait. They are made again and answered before the driver
; waits for the next message.

.include "lib/micro/user.inc"

STACK = 2 * PAGE_SIZE

.text

; net_start: starts the network, and returns when it can be used. A line on the console says who we are.
.global net_start
net_start:
    push ebx
    push esi
    push edi
    MYSELF ebx
    mov eax, driver
    mov edx, stack_top
    call net_thread
    mov [net_driver], eax
    mov edx, eax
    call ipc_receive
    pop edi
    pop esi
    pop ebx
    ret

; net_thread: starts a thread, as thread_new does; if that is impossible, the program ends with a line.
;   in    EAX = routine, EDX = top of its stack, EBX = what the routine gets in EAX
;   out   EAX = identifier
.global net_thread
net_thread:
    mov ecx, NIL_THREAD
    call thread_new
    test eax, eax
    jz .Lfailed
    ret
.Lfailed:
    mov eax, text_no_thread
    call print_string
    mov eax, 1
    jmp program_exit

; driver: the thread.
;   in    EAX = who has started it
driver:
    push eax
    call card_init
    call host_start
    call time_init
    pop eax
    xor esi, esi
    call ipc_send
    mov eax, NIL_THREAD

; driver_loop: answers a message, and takes the next.
;   in    EAX = whom to answer, or NIL_THREAD; ESI = tag, EBX = MR1
driver_loop:
    cmp dword ptr [calls_due], 0
    jne .Ldue
    mov edx, ANY_THREAD
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT             ; an answer is for who waits for it
    cmp dword ptr [net_loop_waits], 0
    jne .Lleft
    call ipc
.Lmessage:
    test esi, TAG_ERROR
    jnz .Lnobody
    cmp eax, IRQ_THREADS << ID_SHIFT
    jb .Linterrupt
    cmp eax, [time_ticker]
    je .Ltick
    call calls_message
    jmp driver_loop
.Linterrupt:
    push eax
    call e1000_interrupt
    pop eax
    xor esi, esi
    jmp driver_loop
.Ltick:
    mov eax, ebx
    call time_is
.Lnobody:
    mov eax, NIL_THREAD
    jmp driver_loop
    ; The last of several answers goes with the wait for the next message.
.Ldue:
    test eax, eax
    jz .Lagain
    call ipc_send_now
.Lagain:
    call calls_again
    jmp driver_loop

    ; Packets to ourselves are left: no time to lose.
.Lleft:
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT | TIMEOUT_ZERO
    call ipc
    push eax
    push ebx
    push esi
    call net_tick
    pop esi
    pop ebx
    pop eax
    jmp .Lmessage

.rodata

text_no_thread:
    .asciz "network: no more threads\n"

.bss

.global net_driver

.align 16
    .space STACK
stack_top:                      ; below it: the driver's LOCAL
net_driver:                     ; its identifier
    .space 4
