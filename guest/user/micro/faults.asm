; Faults: what a program does wrong, in a line on the console.
;
; The program ends with it. But if the thread that fails is the scheduler of others, and not of its program alone, then
; only that thread ends: the root scheduler takes the others over (watchdog.asm).

.include "lib/micro/user.inc"

.text

; exception: a client's exception.
;   in    EBP = client, EBX = EIP, the rest of its STATE in the UTCB
;
; The line that it leaves:    crash: exception 13, error code 0x0, at 0x8048003
.global exception
exception:
    UTCB edx
    mov esi, [edx + UTCB_MR1 + STATE_VECTOR]
    mov edi, [edx + UTCB_MR1 + STATE_ERROR]
    call fault_who
    mov eax, text_exception
    call print_string
    mov eax, esi
    call print_decimal
    mov eax, VECTORS_WITH_ERROR_CODE
    bt eax, esi
    jnc .Lat
    mov eax, text_error_code
    call print_string
    mov eax, edi
    call print_hex
.Lat:
    add esi, EXIT_FAULT
    jmp fault_at

; fault_page: a client's page fault at a page that it may not have, or not so.
;   in    EBP = client, ESI = tag, EBX = address, EDI = EIP
;
; The line that it leaves:    crash: page fault, write to 0x0, at 0x8048003
.global fault_page
fault_page:
    call fault_who
    mov eax, text_read
    test esi, FAULT_WRITE << LABEL_SHIFT
    jz .Laddress
    mov eax, text_write
.Laddress:
    call print_string
    mov eax, ebx
    call print_hex
    mov ebx, edi
    mov esi, EXIT_FAULT + EXC_PF

; fault_at: the end of the line, and of the program or of the thread.
;   in    EBP = client, EBX = EIP, ESI = exit code
fault_at:
    mov eax, text_at
    call print_string
    mov eax, ebx
    call print_hex
    mov al, '\n'
    call print_char

    ; Only the thread, if it is a scheduler and there are others?
    mov ebx, [ebp + CLIENT_PROGRAM]
    cmp dword ptr [ebx + PROGRAM_THREADS], 1
    je .Lprogram
    mov eax, ebp
    call watchdog_adopt
    test eax, eax
    jz .Lprogram
    mov eax, ebp
    jmp client_end
.Lprogram:
    mov eax, ebx
    mov edx, esi
    jmp program_end

; fault_who: the beginning of the line.
;   in    EBP = client
fault_who:
    mov eax, [ebp + CLIENT_PROGRAM]
    call program_name
    mov eax, text_colon
    jmp print_string

.rodata

text_colon:
    .asciz ": "
text_exception:
    .asciz "exception "
text_error_code:
    .asciz ", error code "
text_read:
    .asciz "page fault, read of "
text_write:
    .asciz "page fault, write to "
text_at:
    .asciz ", at "
