; The card: how the driver comes to have it, and who we are on the network.
;
; Without a card all works, but for nobody else: packets to ourselves come, others are lost.

.include "lib/micro/user.inc"

ADDRESS_BYTES = 4
PAGES = (E1000_SIZE + PAGE_SIZE - 1) / PAGE_SIZE        ; of memory for the card

.text

; card_init: asks the root task for the card, sets it going, and says what came of it.
.global card_init
card_init:
    push ebx
    push esi
    push edi
    mov eax, text_network
    call print_string
    call host_init
    call card_address

    mov edi, text_no_card
    mov eax, E1000_ID
    call program_device
    test eax, eax
    jz .Lreturn
    mov ebx, eax
    mov esi, edx
    mov dword ptr [ebx + E1000_IMC], -1
    mov dword ptr [ebx + E1000_CTRL], CTRL_RST      ; whoever had it before: it forgets their memory
    mov edi, text_no_line
    mov eax, esi
    call program_interrupt
    test eax, eax
    jz .Lreturn
    mov edi, text_no_memory
    mov eax, PAGES
    call program_dma
    test eax, eax
    jz .Lreturn
    push eax
    mov ecx, PAGES
.Lpage:
    test byte ptr [eax], 0                          ; brings it: no frame is to wait for that
    add eax, PAGE_SIZE
    dec ecx
    jnz .Lpage
    mov ecx, edx
    pop edx
    mov eax, ebx
    call e1000_init
    mov edi, text_card
.Lreturn:
    mov eax, edi
    call print_string
    pop edi
    pop esi
    pop ebx
    ret

; card_address: prints an address as 10.0.0.2.
;   in    EAX = address
card_address:
    push ebx
    push esi
    mov ebx, eax
    mov esi, ADDRESS_BYTES
.Lbyte:
    movzx eax, bl
    call print_decimal
    shr ebx, 8
    dec esi
    jz .Lreturn
    mov al, '.'
    call print_char
    jmp .Lbyte
.Lreturn:
    pop esi
    pop ebx
    ret

.rodata

text_network:
    .asciz "network: "
text_card:
    .asciz ", 82540EM\n"
text_no_card:
    .asciz ", no card\n"
text_no_line:
    .asciz ", no card: it has no interrupt line\n"
text_no_memory:
    .asciz ", no card: not enough memory for it\n"
