; Is a null pointer a fault?

.text

; main: asks.
.global main
main:
    mov eax, [0]
