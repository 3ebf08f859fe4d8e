; What exceptions are called.
;
; Owns the words in which an exception is described. Both kernels' fault.asm call.

.include "kernel.inc"

.text

; fault_what: writes "page fault (#PF), error code 0x6, address 0x0, at ".
;   in    EBX = trap frame, ESI = CR2
.global fault_what
fault_what:
    ; The name: the texts follow each other, so skip as many as the vector says.
    mov eax, fault_names
    mov ecx, [ebx + FRAME_VECTOR]
    cmp ecx, FAULT_NAMES
    jbe .Lname
    mov ecx, FAULT_NAMES
.Lname:                         ; ECX texts to skip
    dec ecx
    js .Lfound
.Lskip:
    mov dl, [eax]
    inc eax
    test dl, dl
    jnz .Lskip
    jmp .Lname
.Lfound:
    call console_string

    ; The error code, if the processor gave one.
    mov ecx, [ebx + FRAME_VECTOR]
    mov edx, VECTORS_WITH_ERROR_CODE
    bt edx, ecx
    jnc .Lat
    mov eax, text_error_code
    call console_string
    mov eax, [ebx + FRAME_ERROR]
    call console_hex

    ; The address that was wanted, if it was a page fault.
    cmp dword ptr [ebx + FRAME_VECTOR], EXC_PF
    jne .Lat
    mov eax, text_address
    call console_string
    mov eax, esi
    call console_hex
.Lat:
    mov eax, text_at
    jmp console_string

.rodata

text_error_code:
    .asciz ", error code "
text_address:
    .asciz ", address "
text_at:
    .asciz ", at "

FAULT_NAMES = 20                ; vectors with a name; all above have the last one
fault_names:                    ; as the Vector numbers of the ABI say; a test compares them
    .asciz "divide error (#DE)"
    .asciz "debug (#DB)"
    .asciz "non-maskable interrupt (NMI)"
    .asciz "breakpoint (#BP)"
    .asciz "overflow (#OF)"
    .asciz "bound range exceeded (#BR)"
    .asciz "invalid opcode (#UD)"
    .asciz "device not available (#NM)"
    .asciz "double fault (#DF)"
    .asciz "coprocessor segment overrun"
    .asciz "invalid TSS (#TS)"
    .asciz "segment not present (#NP)"
    .asciz "stack fault (#SS)"
    .asciz "general protection (#GP)"
    .asciz "page fault (#PF)"
    .asciz "reserved exception 15"
    .asciz "floating-point error (#MF)"
    .asciz "alignment check (#AC)"
    .asciz "machine check (#MC)"
    .asciz "SIMD floating-point error (#XM)"
    .asciz "reserved exception"
