; Two threads yield to each other: what a switch between threads costs.
;
; The argument is how often each yields.

.text

; main: yields, while another thread does, too.
;   in    EAX = argument string
;   out   EAX = exit code
.global main
main:
    push ebx
    call argument_next
    call argument_number
    mov ebx, eax
    mov eax, yields
    mov edx, ebx
    xor ecx, ecx
    call thread_create
    jc .Lfail
    push eax
    mov eax, ebx
    call yields
    pop eax
    call thread_join
    add eax, ebx
    call print_decimal
    mov eax, text_yields
    call print_string
    xor eax, eax
.Lreturn:
    pop ebx
    ret
.Lfail:
    mov eax, 1
    jmp .Lreturn

; yields: yields so often.
;   in    EAX = how often
;   out   EAX = likewise
.global yields
yields:
    push ebx
    push esi
    mov ebx, eax
    mov esi, eax
    test eax, eax
    jz .Lreturn
.Lnext:
    call thread_yield
    dec esi
    jnz .Lnext
.Lreturn:
    mov eax, ebx
    pop esi
    pop ebx
    ret

.rodata

text_yields:
    .asciz " yields\n"
