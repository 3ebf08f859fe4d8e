; Asks a web server for a page again and again, with a connection for each time (as ab does), and checks what comes.

.text

; main: asks.
;   in    EAX = argument string: address, port, path, maybe how often; without that or with 0, for ever
;   out   EAX = exit code: 0 if every reply was complete
.global main
main:
    push ebx
    push esi
    push edi
    push ebp
    push eax
    call argument_next
    mov esi, eax
    call argument_address
    jc .Lusage
    mov edi, eax
    mov eax, esi
    call argument_next
    mov ebx, eax
    call argument_number
    mov ebp, eax
    mov eax, ebx
    call argument_next
    mov ebx, eax
    mov eax, edi
    mov edx, ebp
    mov ecx, esi
    mov esi, ebx
    call request_make
    jc .Lusage
    mov eax, ebx
    call argument_next
    call argument_number
    mov ebp, eax                ; requests that are left; from 0 it goes all the way round
.Lrequest:
    call request_once
    jc .Lfailed
    call request_done
    jmp .Lnext
.Lfailed:
    inc dword ptr [failed]
.Lnext:
    dec ebp
    jnz .Lrequest

    mov eax, [esp]              ; its name
    call print_word
    mov eax, text_colon
    call print_string
    mov eax, [complete]
    call print_decimal
    mov eax, text_complete
    call print_string
    mov eax, [failed]
    call print_decimal
    mov eax, text_failed
    call print_string
    xor eax, eax
    cmp [failed], eax
    setne al
.Lreturn:
    pop ecx
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret
.Lusage:
    mov eax, [esp]
    call print_word
    mov eax, text_usage
    call print_string
    mov eax, 1
    jmp .Lreturn

; request_done: a reply was complete.
.global request_done
request_done:
    inc dword ptr [complete]
    ret

.rodata

text_colon:
    .asciz ": "
text_complete:
    .asciz " replies, "
text_failed:
    .asciz " failed\n"
text_usage:
    .asciz ": tell me an address, a port and a path\n"

.bss

.align 4
complete:                       ; replies that were
    .space 4
failed:                         ; requests without one
    .space 4
