; The programs of the image: Multiboot modules, one ELF file each.
;
; Owns the list of modules. start calls modules_start once.

.include "kernel.inc"

.text

; modules_start: starts a program for every module; a module that is no program leaves a line on the console.
;   out   at least one program is ready; else the machine has ended with EXIT_NOT_STARTED
.global modules_start
;
; The exit code begins as "not started", which is what remains of it if the first module is no program.
modules_start:
    push ebx
    push esi
    mov dword ptr [program_exit_code], EXIT_NOT_STARTED
    mov eax, [multiboot_info]
    test dword ptr [eax + MBI_FLAGS], MBI_HAS_MODULES
    jz .Ldone
    mov ebx, [eax + MBI_MODS_ADDR]
    add ebx, KERNEL_BASE
    mov [modules_first], ebx
    mov esi, [eax + MBI_MODS_COUNT]
.Lmodule:
    dec esi
    js .Ldone
    mov eax, ebx
    call program_start
    add ebx, MODULE_SIZE
    jmp .Lmodule
.Ldone:
    cmp dword ptr [programs_running], 0
    je .Lnothing
    pop esi
    pop ebx
    ret
.Lnothing:
    mov eax, text_nothing
    call console_string
    mov eax, EXIT_NOT_STARTED
    jmp machine_end

; module_name: writes the name of a module's program: its string up to the first space.
;   in    EAX = module
.global module_name
module_name:
    push esi
    mov esi, [eax + MODULE_STRING]
    add esi, KERNEL_BASE
.Lcharacter:
    lodsb
    cmp al, ' '
    jbe .Lend                   ; a space or the end
    call console_char
    jmp .Lcharacter
.Lend:
    pop esi
    ret

.rodata

text_nothing:
    .asciz "no program could be started\n"

.bss

.global modules_first

.align 4
modules_first:                  ; the module whose exit code counts
    .space 4
