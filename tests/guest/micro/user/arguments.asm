; Does a program get its arguments?

.include "test.inc"

.text

; main: asks.
.global main
main:
    call print_string
    mov al, '\n'
    call print_char
    mov eax, 3
    ret
