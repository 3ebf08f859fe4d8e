; The kernel wakes up, piece by piece, and becomes the idle thread. As the first kernel's start.asm, but for the network.
;
; Owns the idle thread. boot.asm jumps to start.

.include "kernel/kernel.inc"

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
    call network_init           ; the card (before there is any address space but the kernel's)
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

.include "kernel/banner.inc"

.bss

.global idle_thread, boot_stack_top

.align TCB_AREA
idle_thread:                    ; TASK and stack of the idle thread; the kernel starts on that stack
    .space TCB_AREA
boot_stack_top:
