; Faults: the exceptions that nobody can repair.
;
; Owns the words in which a fault is reported. The trap table comes here with every exception. A program's fault ends
; the program; the kernel's own ends the machine.

.include "kernel.inc"

.text

; fault: an exception.
;   in    EAX = trap frame
;   out   does not return
;
; The line that it leaves:    crash: page fault (#PF), error code 0x6, address 0x0, at main+0x5
.global fault
fault:
    mov ebx, eax
    mov esi, cr2                ; before anything can fault again
    mov ecx, [ebx + FRAME_VECTOR]
    mov edx, VECTORS_OF_THE_MACHINE
    bt edx, ecx
    jc .Lkernel
    test dword ptr [ebx + FRAME_CS], SEL_RPL
    jz .Lkernel

    ; A program's fault: say so, then end it as if it had asked for it.
    sti                         ; no tick is lost while the console is waited for
    CURRENT edi
    mov edi, [edi + TCB_MODULE]
    mov eax, edi
    call module_name
    mov eax, text_colon
    call console_string
    call fault_what
    mov eax, edi
    mov edx, [ebx + FRAME_EIP]
    call fault_where
    mov al, '\n'
    call console_char
    cli
    mov eax, [ebx + FRAME_VECTOR]
    add eax, EXIT_FAULT
    jmp program_end

    ; Ours, or the machine's: nothing can be relied on any more.
.Lkernel:
    call panic_begin
    call fault_what
    mov eax, [ebx + FRAME_EIP]
    call console_hex
    jmp panic_end

; fault_where: writes an address of a program as main+0x5, or as a number if it has no symbol.
;   in    EAX = module, EDX = address
fault_where:
    push ebx
    mov ebx, edx
    call symbol_find
    jc .Lnumber
    mov ebx, edx
    call console_string
    mov al, '+'
    call console_char
.Lnumber:
    mov eax, ebx
    pop ebx
    jmp console_hex

.rodata

text_colon:
    .asciz ": "
