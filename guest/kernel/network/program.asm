; Programs: a module's ELF file in an address space with one thread. As the first kernel's program.asm, but that a program
; that ends may have sockets.
;
; Owns how a program starts and ends, and the end of the machine. modules_start starts programs; sys_exit ends one by
; program_exit, a fault by program_end.

.include "kernel/kernel.inc"

.text

.include "kernel/program_begin.inc"

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
    jne .Lsockets
    mov [program_exit_code], eax
.Lsockets:
    mov eax, ebx
    call sockets_end
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

.bss

.global programs_running, program_exit_code

.align 4
programs_running:               ; programs that have started and not ended
    .space 4
program_exit_code:              ; what the machine will end with: the first program's exit code
    .space 4
