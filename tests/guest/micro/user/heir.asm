; Is a device of a program that has ended to be had again, and does it leave the last owner's memory alone?

.include "test.inc"

.text

; main: takes the card as soon as it can, and then the frames that its last owner had, all of them, with a mark; then it
; waits for somebody to spoil them.
.global main
main:
    SAY "heir: waits\n"
.Lagain:
    mov eax, NIL_THREAD
    call thread_switch
    BURN 10000
    mov eax, E1000_ID
    call program_device
    test eax, eax
    jz .Lagain
    SAY "heir: has it\n"
    mov eax, (E1000_SIZE + PAGE_SIZE - 1) / PAGE_SIZE
    call program_memory
    mov ebp, eax
    mov edi, eax
    mov eax, MARK
    mov ecx, E1000_SIZE / 4
    rep stosd
    BURN 8000000
    mov edi, ebp
    mov eax, MARK
    mov ecx, E1000_SIZE / 4
    repe scasd
    jne .Lspoilt
    SAY "heir: nothing is spoilt\n"
    xor eax, eax
    ret
.Lspoilt:
    SAY "heir: memory is spoilt\n"
    mov eax, 1
    ret

MARK = 0x5A5A5A5A
