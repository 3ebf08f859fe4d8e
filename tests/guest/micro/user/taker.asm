; Who gets which of several devices that are the same?

.include "test.inc"

.text

; main: takes as many as it is told, and their line.
;   in    EAX = argument string: how many
.global main
main:
    call argument_next
    call argument_number
    mov ebp, eax
.Lnext:
    mov eax, 0x00050002
    call program_device
    test eax, eax
    jz .Lrefused
    mov ebx, edx
    mov eax, [eax]
    VALUE "device "
.Lmore:
    dec ebp
    jnz .Lnext
    mov eax, ebx
    call program_interrupt
    VALUE "line: "
    BURN 3000000
    xor eax, eax
    ret
.Lrefused:
    SAY "refused\n"
    jmp .Lmore
