; Processes: a module's ELF file in an address space, with threads.
;
; Owns how a process starts and ends, the list of processes, and the end of the machine. modules_start starts processes;
; sys_exit ends one by program_exit, a fault by program_end, under the names that the first kernel has for programs.

.include "activations.inc"

.text

; program_start: makes a process out of a module; if that fails, a line on the console says why.
;   in    EAX = module
.global program_start
program_start:
    push ebx
    push esi
    push edi
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
    jc .Lfree_space
    mov eax, ebx
    mov edx, esi
    call program_stack
    jc .Lfree_space

    ; The process, with a thread at the entry point.
    mov eax, ebx
    mov edx, esi
    call process_make
    jc .Lfree_space
    mov edi, eax
    mov edx, [ebx + MODULE_START]
    mov edx, [edx + EHDR_ENTRY + KERNEL_BASE]
    mov ecx, USER_ARGUMENTS
    call thread_make
    jc .Lfree_process
    mov edx, [kernel_features]
    mov [eax + USER_FRAME + FRAME_EAX], edx
    mov dword ptr [eax + USER_FRAME + FRAME_EBX], USER_ARGUMENTS

    ; From sched_ready on it runs.
    mov edx, [processes]
    mov [edi + PROCESS_NEXT], edx
    mov [processes], edi
    inc dword ptr [programs_running]
    call sched_ready
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

.Lfree_process:
    mov eax, edi
    call frame_free
.Lfree_space:
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

.include "kernel/program_stack.inc"

; process_make: makes a process without threads.
;   in    EAX = module, EDX = page directory
;   out   EAX = PROCESS, in no list; CF set: out of memory
process_make:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    call frame_alloc
    jc .Lreturn
    mov [eax + PROCESS_MODULE], ebx
    sub esi, KERNEL_BASE        ; CR3 wants the physical address
    mov [eax + PROCESS_SPACE], esi
    inc dword ptr [process_count]
    mov edx, [process_count]
    mov [eax + PROCESS_NUMBER], edx
    mov esi, eax
    add eax, PROCESS_THREADS
    call ring_init
    add eax, PROCESS_ENDED - PROCESS_THREADS
    call ring_init
    mov eax, ebx
    call process_heap
    mov [esi + PROCESS_HEAP], eax
    mov eax, esi
    clc
.Lreturn:
    pop esi
    pop ebx
    ret

; process_heap: where SYS_MEMORY may begin in a program: behind its highest segment, and a page that stays unmapped.
;   in    EAX = module that elf_check_module let pass
;   out   EAX = address, on a page boundary
process_heap:
    push ebx
    push esi
    push edi
    call elf_open
    movzx ecx, word ptr [esi + EHDR_PHNUM]
    add esi, [esi + EHDR_PHOFF]
    mov eax, USER_BASE
.Lheader:
    dec ecx
    js .Ldone
    cmp dword ptr [esi + PHDR_TYPE], PT_LOAD
    jne .Lnext
    mov edx, [esi + PHDR_VADDR]
    add edx, [esi + PHDR_MEMSZ]
    cmp edx, eax
    jbe .Lnext
    mov eax, edx
.Lnext:
    add esi, PHDR_SIZE
    jmp .Lheader
.Ldone:
    add eax, 2 * PAGE_SIZE - 1
    and eax, PAGE_MASK
    pop edi
    pop esi
    pop ebx
    ret

; program_exit: the running process ends by its own will.
;   in    EAX = exit code; if it is not 0, the console says so
;   out   does not return
.global program_exit
program_exit:
    test eax, eax
    jz program_end
    mov ebx, eax
    sti                         ; no tick is lost while the console is waited for
    CURRENT eax
    mov eax, [eax + TCB_MODULE]
    call module_name
    mov eax, text_exit_code
    call console_string
    mov eax, ebx
    call console_decimal
    mov al, '\n'
    call console_char
    cli
    mov eax, ebx

; program_end: ends the running process: its threads are told, and each dies when it next would go back to the program.
; Those that wait need not wait any more. The running one dies at once.
;   in    EAX = exit code
;   out   does not return
.global program_end
program_end:
    CURRENT_PROCESS esi
    mov dword ptr [esi + PROCESS_ENDING], 1
    mov [esi + PROCESS_EXIT_CODE], eax
    lea edi, [esi + PROCESS_THREADS]
    mov ebx, edi
.Lthread:
    mov ebx, [ebx + LINK_NEXT]
    cmp ebx, edi
    je thread_die
    lea eax, [ebx - ACT_SIBLING]
    or dword ptr [eax + ACT_WORK], WORK_END
    cmp dword ptr [eax + TCB_STATE], THREAD_WAITING
    je .Lwaits
    cmp dword ptr [eax + TCB_STATE], THREAD_UNBLOCKED
    jne .Lthread
    mov esi, eax
    add eax, ACT_LINK
    call ring_remove
    mov eax, esi
    call sched_ready
    jmp .Lthread
.Lwaits:
    call wait_interrupt
    jmp .Lthread

; process_free: takes a process apart; after the last one, ends the machine.
;   in    EAX = PROCESS without threads
;   out   only if there are other processes
.global process_free
process_free:
    push ebx
    push esi
    mov ebx, eax
    ; Out of its space, which may be loaded, and out of the list.
    mov eax, kernel_directory - KERNEL_BASE
    mov cr3, eax
    mov eax, processes - PROCESS_NEXT
.Lfind:
    mov edx, eax
    mov eax, [edx + PROCESS_NEXT]
    cmp eax, ebx
    jne .Lfind
    mov eax, [ebx + PROCESS_NEXT]
    mov [edx + PROCESS_NEXT], eax

    ; Everything that is its own: memory, threads that nobody has joined, pipes, virtual processors.
    mov eax, [ebx + PROCESS_SPACE]
    add eax, KERNEL_BASE
    call space_free
.Lended:
    mov eax, [ebx + PROCESS_ENDED + LINK_NEXT]
    sub eax, PROCESS_ENDED
    cmp eax, ebx
    je .Lthreads
    add eax, PROCESS_ENDED - ACT_SIBLING
    call thread_unmake
    jmp .Lended
.Lthreads:
    call areas_free
    mov eax, ebx
    call pipes_free
    mov eax, [ebx + PROCESS_SA]
    test eax, eax
    jz .Lprocess
    call frame_free

    ; The first module is the one whose exit code counts.
.Lprocess:
    mov edx, [ebx + PROCESS_MODULE]
    cmp edx, [modules_first]
    jne .Lfree
    mov eax, [ebx + PROCESS_EXIT_CODE]
    mov [program_exit_code], eax
.Lfree:
    mov eax, ebx
    call frame_free
    dec dword ptr [programs_running]
    jz .Llast
    pop esi
    pop ebx
    ret
.Llast:
    mov eax, [program_exit_code]
    jmp machine_end

.rodata

text_not_started:
    .asciz ": not started: "
text_no_memory:
    .asciz "out of memory"
text_exit_code:
    .asciz ": exit code "

.bss

.global processes, programs_running, program_exit_code

.align 4
processes:                      ; the PROCESS that was made last, or 0; linked by PROCESS_NEXT
    .space 4
process_count:                  ; processes made so far: the number of the latest
    .space 4
programs_running:               ; processes that have started and not ended
    .space 4
program_exit_code:              ; what the machine will end with: the first program's exit code
    .space 4
