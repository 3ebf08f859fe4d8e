; Programs: the modules of the image behind the root task, each an address space with a thread at first.
;
; Owns the table of PROGRAMs, how a program starts and ends, and with the last one the machine's end. Its memory comes
; page by page, as it is touched (pager.asm).

.include "lib/micro/user.inc"

.text

; programs_init: starts a program for every module; one that is no program leaves a line on the console.
.global programs_init
;
; The exit code begins as "not started", which is what remains of it if the first module is no program.
programs_init:
    push ebx
    push esi
    push edi
    mov dword ptr [exit_code], EXIT_NOT_STARTED
    mov esi, [KIP_BASE + KIP_MODULES_COUNT]
    imul eax, esi, PROGRAM_SIZE
    call memory_take
    mov [programs], eax
    mov ebx, eax
    mov edi, [KIP_BASE + KIP_MODULES]
.Lmodule:
    add edi, MODULE_SIZE                ; the first module is the root task
    dec esi
    jle .Lstarted
    mov [ebx + PROGRAM_MODULE], edi
    mov eax, ebx
    call program_start
    add ebx, PROGRAM_SIZE
    jmp .Lmodule
.Lstarted:
    cmp dword ptr [programs_running], 0
    jne .Lreturn
    mov eax, text_nothing
    call print_string
    call console_finish
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; program_start: makes a program of a module; if that fails, a line on the console says why.
;   in    EAX = program, with its PROGRAM_MODULE
program_start:
    push ebx
    push esi
    push edi
    mov edi, eax
    mov dword ptr [edi + PROGRAM_HEAP_END], HEAP_BASE
    mov esi, [edi + PROGRAM_MODULE]
    mov eax, [esi + MODULE_START]
    mov edx, [esi + MODULE_END]
    call memory_touch
    mov eax, esi
    call elf_check_module
    jc .Lrefused
    push eax
    mov eax, edi
    call program_priority
    mov esi, eax
    pop edx                             ; EIP; its start code makes its own stack
    xor ecx, ecx
    mov ebx, ROOT_TASK
    mov eax, edi
    call client_new
    mov eax, text_no_memory
    jc .Lrefused
    inc dword ptr [programs_running]
    jmp .Lreturn
.Lrefused:
    mov esi, eax
    mov eax, edi
    call program_name
    mov eax, text_not_started
    call print_string
    mov eax, esi
    call print_string
    mov al, '\n'
    call print_char
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; program_priority: the number that a program's arguments begin with.
;   in    EAX = program
;   out   EAX = it, if it is a priority, else PRIORITY_DEFAULT
program_priority:
    mov ecx, [eax + PROGRAM_MODULE]
    mov ecx, [ecx + MODULE_STRING]
.Lname:
    mov dl, [ecx]
    inc ecx
    cmp dl, ' '
    ja .Lname
    jb .Ldefault                        ; no arguments
    movzx edx, byte ptr [ecx]
    sub edx, '0'
    cmp edx, 9
    ja .Ldefault
    xor eax, eax
.Ldigit:
    imul eax, 10
    add eax, edx
    cmp eax, PRIORITY_MAX
    ja .Ldefault
    inc ecx
    movzx edx, byte ptr [ecx]
    sub edx, '0'
    cmp edx, 9
    jbe .Ldigit
    ret
.Ldefault:
    mov eax, PRIORITY_DEFAULT
    ret

; program_name: prints the name of a program.
;   in    EAX = program
.global program_name
program_name:
    mov eax, [eax + PROGRAM_MODULE]
    mov eax, [eax + MODULE_STRING]
    jmp print_word

; program_exit: request ROOT_EXIT. If the exit code is not 0, the console says so.
;   in    EBP = client, EBX = exit code
.global program_exit
program_exit:
    mov esi, [ebp + CLIENT_PROGRAM]
    test ebx, ebx
    jz .Lend
    mov eax, esi
    call program_name
    mov eax, text_exit_code
    call print_string
    mov eax, ebx
    call print_decimal
    mov al, '\n'
    call print_char
.Lend:
    mov eax, esi
    mov edx, ebx
    jmp program_end

; program_fail: ends a program whose thread cannot go on.
;   in    EAX = client, EDX = why, as text
.global program_fail
program_fail:
    push ebx
    push esi
    mov ebx, [eax + CLIENT_PROGRAM]
    mov esi, edx
    mov eax, ebx
    call program_name
    mov eax, text_colon
    call print_string
    mov eax, esi
    call print_string
    mov al, '\n'
    call print_char
    mov eax, ebx
    mov edx, EXIT_FAULT + EXC_PF
    call program_end
    pop esi
    pop ebx
    ret

; program_end: a program ends: its threads, its space with them, its memory. The last one ends the machine.
;   in    EAX = program, EDX = exit code; the first program's is the machine's
.global program_end
program_end:
    push ebx
    mov ebx, eax
    cmp eax, [programs]
    jne .Lthreads
    mov [exit_code], edx
.Lthreads:
    mov eax, ebx
    mov edx, [clients_first]
    call client_of
    jc .Lmemory
    mov eax, edx
    call client_end
    jmp .Lthreads
.Lmemory:
    mov eax, ebx
    call devices_end                    ; first: they may reach it
    mov eax, ebx
    call leases_end
    pop ebx
    dec dword ptr [programs_running]
    jz console_finish
    ret

.rodata

text_nothing:
    .asciz "no program could be started\n"
text_not_started:
    .asciz ": not started: "
text_no_memory:
    .asciz "out of threads or memory"
text_exit_code:
    .asciz ": exit code "
text_colon:
    .asciz ": "

.bss

.global exit_code

.align 4
programs:                               ; the table of PROGRAMs, in the order of the modules
    .space 4
programs_running:                       ; those that have started and not ended
    .space 4
exit_code:                              ; what the machine will end with
    .space 4
