; Needs nothing but the processor, and all of it.

.text

; main: counts the bits of all numbers, one after the other, for ever.
;   in    EAX = argument string
.global main
main:
    xor ebx, ebx
    xor edx, edx
.Lnumber:
    inc edx
    mov eax, edx
.Lbit:
    shr eax, 1
    adc ebx, 0
    test eax, eax
    jnz .Lbit
    jmp .Lnumber
