; Sends a stream as fast as it is taken (as netperf's TCP_STREAM does); what is in it does not matter.

BLOCK = 32768                   ; bytes that are written at a time

.text

; main: sends.
;   in    EAX = argument string: address, port, maybe how many bytes; without that or with 0, for ever
;   out   EAX = exit code
.global main
main:
    push ebx
    push esi
    push edi
    push ebp
    call argument_next
    mov esi, eax
    call argument_address
    jc .Lusage
    mov ebx, eax
    mov eax, esi
    call argument_next
    mov esi, eax
    call argument_number
    mov edi, eax
    mov eax, esi
    call argument_next
    call argument_number
    mov ebp, eax                ; bytes in all
    mov eax, ebx
    mov edx, edi
    call socket_connect
    test eax, eax
    js .Lfailed
    mov ebx, eax                ; the socket
    mov esi, ebp                ; bytes that are left

.Lblock:
    mov ecx, BLOCK
    test ebp, ebp
    jz .Lwrite
    cmp ecx, esi
    jbe .Lwrite
    mov ecx, esi
.Lwrite:
    mov eax, ebx
    mov edx, block
    call socket_write
    test eax, eax
    js .Lfailed
    sub esi, eax
    jnz .Lblock
    test ebp, ebp
    jz .Lblock

    ; The other side has everything when it ends its stream, too.
    mov eax, ebx
    call socket_finish
.Lread:
    mov eax, ebx
    mov edx, block
    mov ecx, BLOCK
    call socket_read
    test eax, eax
    js .Lfailed
    jnz .Lread
    mov eax, ebx
    call socket_close
    mov eax, text_sent
    call print_string
    mov eax, ebp
    call print_decimal
    mov eax, text_bytes
    call print_string
    xor eax, eax
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

.Lusage:
    mov eax, text_usage
    jmp .Lsay
.Lfailed:
    mov eax, text_failed
.Lsay:
    call print_string
    mov eax, 1
    jmp .Lreturn

.rodata

text_sent:
    .asciz "net: sent "
text_bytes:
    .asciz " bytes\n"
text_failed:
    .asciz "net: the connection has failed\n"
text_usage:
    .asciz "net: tell me an address and a port\n"

.bss

.align 4096
block:
    .space BLOCK
