; A thread reads from the console, and others compute: how soon is the reader there when a byte comes?
;
; The arguments are how many threads compute, and how many bytes are read; then the program ends.

.text

; main: starts the threads and waits for the reader.
;   in    EAX = argument string
;   out   EAX = exit code
.global main
main:
    push ebx
    push esi
    call argument_next
    mov esi, eax
    call argument_number
    mov ebx, eax
    mov eax, esi
    call argument_next
    call argument_number
    mov edx, eax
    mov eax, read_bytes
    xor ecx, ecx
    call thread_create
    jc .Lfail
    mov esi, eax
.Lnext:
    test ebx, ebx
    jz .Lwait
    dec ebx
    mov eax, compute
    xor ecx, ecx
    call thread_create
    jnc .Lnext
.Lfail:
    mov eax, 1
    jmp .Lreturn
.Lwait:
    mov eax, esi
    call thread_join
    call print_decimal
    mov eax, text_bytes
    call print_string
    xor eax, eax
.Lreturn:
    pop esi
    pop ebx
    ret

; read_bytes: reads bytes, one at a time.
;   in    EAX = how many
;   out   EAX = their sum
read_bytes:
    push ebx
    push esi
    push 0                      ; room for a byte
    mov ebx, eax
    xor esi, esi
.Lnext:
    test ebx, ebx
    jz .Lreturn
    mov eax, CONSOLE_INPUT
    mov edx, esp
    mov ecx, 1
    call thread_read
    movzx eax, byte ptr [esp]
    call got_byte
    dec ebx
    jmp .Lnext
.Lreturn:
    mov eax, esi
    pop ecx
    pop esi
    pop ebx
    ret

; got_byte: the reader has its byte.
;   in    EAX = the byte, ESI = sum
;   out   ESI = sum with it
.global got_byte
got_byte:
    add esi, eax
    ret

; compute: works, for ever, and lets others run now and then.
compute:
    mov ecx, 1000
.Lwork:
    dec ecx
    jnz .Lwork
    call thread_yield
    jmp compute

.rodata

text_bytes:
    .asciz " is the sum of the bytes\n"
