; The microkernel wakes up, piece by piece, and starts the root task.
;
; Owns the banner, the root task's first thread, and the one kernel stack. boot.asm jumps to start.

.include "micro.inc"

.text

; start: the order matters only where a line says so.
;   in    ESP = boot_stack_top, paging on
;   out   does not return
.global start
start:
    call console_init           ; the UART: from here on the kernel can speak
    call gdt_init               ; our segments, and the TSS
    call idt_init               ; gates: from here on a fault has a name (needs gdt_init)
    call pic_init               ; interrupts at VECTOR_IRQ0, all masked
    call frames_init            ; free memory,
    call memory_init            ;   what of it is for programs, and the root task's address space
    call kip_init               ; the kernel interface page (needs memory_init)
    call threads_init           ; the table of threads
    call interrupts_init        ; a thread for every interrupt line (needs threads_init)
    call sched_init             ; the policy (needs threads_init)
    call start_banner
    call start_root             ; the root task's first thread (needs everything above)
    EXTENSION KIP_ACCOUNTING, account_init
    mov eax, [root_scheduler]
    mov ebp, eax                ; in whose place nobody has run
    jmp run

; start_banner: one line that says what came up.
;   trapline: uls, 13000 KiB for programs, 2000 KiB for the kernel, IPC by INT 81h and SYSENTER
start_banner:
    mov eax, text_trapline
    call console_string
    mov eax, variant_name
    call console_string
    mov eax, text_comma
    call console_string
    mov eax, [memory_limit]
    sub eax, [memory_start]
    shr eax, 10                 ; KiB
    call console_decimal
    mov eax, text_programs
    call console_string
    mov eax, [frames_end]
    sub eax, [frames_next]
    shr eax, 10
    call console_decimal
    mov eax, text_kernel
    call console_string
    test dword ptr [kip + KIP_FEATURES], KIP_SYSENTER
    jz .Lend
    mov eax, text_sysenter
    call console_string
.Lend:
    mov al, '\n'
    jmp console_char

; start_root: makes the root task out of the first module.
;   out   root_scheduler, a thread that can run; if that is impossible, the machine has ended
;         EBX, EDI destroyed
;
; Its pager is the kernel (space_root_fault), and it has no scheduler: in `uls` it is the one above all.
start_root:
    cmp dword ptr [kip + KIP_MODULES_COUNT], 0
    mov eax, text_no_module
    je .Lrefused
    mov ebx, [kip + KIP_MODULES]
    add ebx, KERNEL_BASE
    mov eax, ebx
    call elf_check_module
    jc .Lrefused
    mov eax, ebx
    mov edx, root_directory
    call elf_load
    mov eax, text_no_memory
    jc .Lrefused
    mov eax, FIRST_THREAD << ID_SHIFT | 1
    mov edx, root_directory
    call thread_create
    mov edi, eax
    mov eax, text_no_memory
    jc .Lrefused
    mov [root_scheduler], edi

    ; It starts with its module's string at hand, and without a stack.
    mov eax, [ebx + MODULE_STRING]
    mov [edi + KTCB_EBX], eax
    mov edx, [ebx + MODULE_START]
    mov edx, [edx + EHDR_ENTRY + KERNEL_BASE]
    mov [edi + KTCB_EIP], edx
    mov dword ptr [edi + KTCB_STATE], IS_RUNNING
    mov eax, edi
    xor edx, edx
    jmp sched_born

    ; EAX = why not.
.Lrefused:
    mov ebx, eax
    mov eax, text_not_started
    call console_string
    mov eax, ebx
    call console_string
    mov al, '\n'
    call console_char
    mov eax, EXIT_NOT_STARTED
    jmp machine_end

.rodata

text_trapline:
    .asciz "trapline: "
text_comma:
    .asciz ", "
text_programs:
    .asciz " KiB for programs, "
text_kernel:
    .asciz " KiB for the kernel, IPC by INT 81h"
text_sysenter:
    .asciz " and SYSENTER"
text_not_started:
    .asciz "root task: not started: "
text_no_module:
    .asciz "the image has no program"
text_no_memory:
    .asciz "out of memory"

.bss

.global boot_stack_top, kernel_stack_top, root_scheduler

.align PAGE_SIZE
    .space PAGE_SIZE            ; the kernel stack; nothing stays on it between two entries
boot_stack_top:
kernel_stack_top:
root_scheduler:                 ; KTCB of the root task's first thread
    .space 4
