; The kernel wakes up, piece by piece, and becomes the idle thread.
;
; Owns the idle thread. boot.asm jumps to start.

.include "kernel.inc"

.text

; start: the order matters only where a line says so.
;   in    ESP = a stack in idle_thread, paging on
;   out   does not return
.global start
start:
    call console_init           ; the UART: from here on the kernel can speak
    call gdt_init               ; our segments, and the TSS
    call idt_init               ; gates: from here on a fault has a name (needs gdt_init)
    call sysenter_init          ; the second way into the kernel, if the processor has it
    call frames_init            ; free memory
    call pic_init               ; interrupts at VECTOR_IRQ0, all masked
    mov dword ptr [idle_thread + TCB_SPACE], kernel_directory - KERNEL_BASE
    call start_banner
.if NETWORK
    call network_init           ; the card (before there is any address space but the kernel's)
.endif
.if ECALLS
    call ecalls_init            ; extensions and their services
.endif
    call modules_start          ; the programs (needs everything above)
    call timer_init             ; the tick: last, so that the first program gets a whole one

; idle: the idle thread, which runs when no other can. STI takes effect behind the instruction that follows it, so no
; interrupt can slip in between the look at the run queue and HLT: no wake-up is lost.
idle:
    call sched_leave            ; returns when nobody else is ready
    sti
    hlt
    cli
    jmp idle

; start_banner: one line that says what came up.
;   trapline: 15240 KiB free, 1000 ticks a second, system calls by INT 80h and SYSENTER
start_banner:
    mov eax, text_trapline
    call console_string
    mov eax, [frames_end]
    sub eax, [frames_next]
    shr eax, 10                 ; KiB
    call console_decimal
    mov eax, text_free
    call console_string
    mov eax, TICK_HZ
    call console_decimal
    mov eax, text_ticks
    call console_string
    test dword ptr [kernel_features], FEATURE_SYSENTER
    jz .Lend
    mov eax, text_sysenter
    call console_string
.Lend:
    mov al, '\n'
    jmp console_char

.rodata

text_trapline:
    .asciz "trapline: "
text_free:
    .asciz " KiB free, "
text_ticks:
    .asciz " ticks a second, system calls by INT 80h"
text_sysenter:
    .asciz " and SYSENTER"

.bss

.global idle_thread, boot_stack_top

.align TCB_AREA
idle_thread:                    ; TCB and stack of the idle thread; the kernel starts on that stack
    .space TCB_AREA
boot_stack_top:
