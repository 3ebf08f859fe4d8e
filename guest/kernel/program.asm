; Programs: a module's ELF file in an address space with one thread.
;
; Owns how a program starts and ends, and the end of the machine. modules_start starts programs; sys_exit ends one by
; program_exit, a fault by program_end.

.include "kernel.inc"

.text

; program_start: makes a program out of a module; if that fails, a line on the console says why.
;   in    EAX = module
.global program_start
program_start:
    push ebx
    push esi
    ; Check the file. Behind this only memory can be missing, and then everything is given back.
    mov ebx, eax
    call elf_check_module
    jc .Lrefused
    call space_create
    jc .Lno_memory
    mov esi, eax

    ; Fill the space: segments, stack.
    mov eax, ebx
    mov edx, esi
    call elf_load
    jc .Lfree
    mov eax, ebx
    mov edx, esi
    call program_stack
    jc .Lfree

    ; A thread at the entry point; from sched_ready on the program runs.
    mov eax, esi
    sub eax, KERNEL_BASE        ; CR3 wants the physical address
    mov edx, [ebx + MODULE_START]
    mov edx, [edx + EHDR_ENTRY + KERNEL_BASE]
    mov ecx, USER_ARGUMENTS
    call thread_create
    jc .Lfree
    mov [eax + TCB_MODULE], ebx
.if ECALLS
    call process_begin
.endif
    inc dword ptr [programs_running]
    call sched_ready
.Lreturn:
    pop esi
    pop ebx
    ret

.Lfree:
    mov eax, esi
    call space_free
.Lno_memory:
    mov eax, text_no_memory
.Lrefused:
    mov esi, eax
    mov eax, ebx
    call module_name
    mov eax, text_not_started
    call console_string
    mov eax, esi
    call console_string
    mov al, '\n'
    call console_char
    jmp .Lreturn

.include "program_stack.inc"

; program_exit: the running program ends by its own will.
;   in    EAX = exit code; if it is not 0, the console says so
;   out   does not return
.global program_exit
program_exit:
    test eax, eax
    jz program_end
    mov edx, eax
    mov ecx, text_exit_code

; program_end_saying: the running program ends, and the console says how.
;   in    EAX = exit code, EDX = number, ECX = text, which stands in front of it
;   out   does not return
.global program_end_saying
program_end_saying:
    mov ebx, eax
    mov esi, edx
    mov edi, ecx
    sti                         ; no tick is lost while the console is waited for
    CURRENT eax
    mov eax, [eax + TCB_MODULE]
    call module_name
    mov eax, edi
    call console_string
    mov eax, esi
    call console_decimal
    mov al, '\n'
    call console_char
    cli
    mov eax, ebx
    jmp program_end

.rodata

text_not_started:
    .asciz ": not started: "
text_no_memory:
    .asciz "out of memory"
text_exit_code:
    .asciz ": exit code "

.text

; program_end: takes the running program apart and runs another; after the last one, ends the machine.
;   in    EAX = exit code
;   out   does not return
;
; The thread frees the area that it stands on. That is safe: frame_free writes only the area's first word, TCB_STACK,
; and until switch_load has left the stack there is no interrupt and no frame_alloc (TRICKS, "The last steps").
.global program_end
program_end:
    ; The first module is the one whose exit code counts.
    CURRENT ebx
    mov ecx, [modules_first]
    cmp [ebx + TCB_MODULE], ecx
    jne .Lfree
    mov [program_exit_code], eax
.Lfree:
.if NETWORK
    mov eax, ebx
    call sockets_end
.endif
.if ECALLS
    jmp process_end             ; what else its programs have, and these same steps in its own order
.else
    ; Out of the program's space, then away with it, and with the thread.
    mov eax, kernel_directory - KERNEL_BASE
    mov cr3, eax
    mov eax, [ebx + TCB_SPACE]
    add eax, KERNEL_BASE
    call space_free
    mov eax, ebx
    call frame_free
    dec dword ptr [programs_running]
    jz .Llast
    call sched_pick
    jmp switch_load
.Llast:
    mov eax, [program_exit_code]
    jmp machine_end
.endif

.bss

.global programs_running, program_exit_code

.align 4
programs_running:               ; programs that have started and not ended
    .space 4
program_exit_code:              ; what the machine will end with: the first program's exit code
    .space 4
