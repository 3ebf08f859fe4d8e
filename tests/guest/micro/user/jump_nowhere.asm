; Is a jump to where nothing is a fault?

.text

; main: asks.
.global main
main:
    mov eax, 0x12345000
    jmp eax
