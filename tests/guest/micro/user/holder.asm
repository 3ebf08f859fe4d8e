; What becomes of a device, its memory and its line when the program ends that has them?

.include "test.inc"

.text

; main: takes the card, has it receive into its memory, and ends by a fault.
.global main
main:
    mov eax, E1000_ID
    call program_device
    mov ebp, eax
    mov eax, edx
    call program_interrupt
    mov eax, (E1000_SIZE + PAGE_SIZE - 1) / PAGE_SIZE
    call program_dma
    mov ecx, edx
    mov edx, eax
    mov eax, ebp
    call e1000_init
    SAY "holder: has it\n"
    BURN 300000
    mov eax, [0]

; net_input: what has come; nobody asks.
.global net_input
net_input:
    ret

; net_copy: nothing is sent.
.global net_copy
net_copy:
    ret
