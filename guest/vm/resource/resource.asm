; The resource monitor: the root task of an environment for virtual machines (Stoess 2007, 4.2 and figure 5).
;
;     resource monitor     root scheduler, has all interrupts
;       monitor            of a virtual machine: its scheduler is the resource monitor
;         main             the guest operating system: its scheduler is monitor
;           program        in a space of its own: its scheduler is main
;
; Its arguments are MACHINES MIB: how many virtual machines, and the memory of each. The module behind it is the guest
; operating system, all others are programs, which each virtual machine runs. The first one gets the network card.

.include "lib/micro/user.inc"

.text

; main: makes the virtual machines, and runs them until all have ended.
;   in    EAX = argument string
;   out   EAX = exit code: the first virtual machine's
.global main
main:
    push ebx
    push esi
    push edi
    call argument_next
    mov esi, eax
    call argument_number
    mov ebx, eax
    mov eax, esi
    call argument_next
    call argument_number
    mov edi, eax
    shl edi, 20                 ; MiB
    mov eax, text_arguments
    mov edx, ebx
    dec edx
    cmp edx, VM_MACHINES
    jae .Lfailed
    test edi, edi
    jz .Lfailed
    call card_take
    xor esi, esi
.Lmachine:
    mov eax, esi
    mov edx, edi
    call machine_new
    jc .Lfailed
    inc esi
    cmp esi, ebx
    jb .Lmachine
    mov [machines_left], ebx
    call resource_run           ; the policy's
    jmp .Lreturn
.Lfailed:
    call print_string
    mov al, '\n'
    call print_char
    mov eax, EXIT_NOT_STARTED
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; card_take: looks for a network card.
card_take:
    call e1000_find
    jc .Lreturn
    mov [card_registers], eax
    mov [card_line], edx
.Lreturn:
    ret

.rodata

text_arguments:
    .asciz "resource monitor: the arguments are MACHINES MIB, such as 1 12"

.bss

.global card_registers, card_line, machines_left

.align 4
card_registers:                 ; physical address, 0 if there is no card
    .space 4
card_line:                      ; its interrupt line
    .space 4
machines_left:                  ; virtual machines that have not ended
    .space 4
