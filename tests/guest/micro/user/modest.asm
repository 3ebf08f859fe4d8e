; Is there memory again when a greedy program has ended, and is it clean?

.include "test.inc"

PAGES = 1500

.text

; main: asks for a good part of all memory, when the other one is gone.
.global main
main:
    mov eax, 1000
    call program_sleep
    mov eax, PAGES
    call program_memory
    mov edi, eax
    mov ecx, PAGES * PAGE_SIZE / 4
    xor eax, eax
    repe scasd
    jne .Ldirty
    SAY "all zeros\n"
    xor eax, eax
    ret
.Ldirty:
    SAY "wrong: somebody else's memory\n"
    mov eax, 1
    ret
