; The smallest program that does something.

.text

; main: says hello.
;   in    EAX = argument string
;   out   EAX = exit code
.global main
main:
    mov eax, text
    call print_string
    xor eax, eax
    ret

.rodata

text:
    .asciz "hello, world\n"
