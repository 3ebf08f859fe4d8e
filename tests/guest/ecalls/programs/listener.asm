; Takes events out of a ring until it has heard, or lost, all that `teller` raises; their values only grow.

.text

; main: the program.
.global main
main:
    mov eax, text_probe
    mov edx, registration
    call ecalls_register
    test eax, eax
    js wrong
    mov esi, eax
    imul ebx, eax, ECALL_SPAN
    add ebx, ECALL_HEAR
    mov dword ptr [ebx + SEGMENT_CONTROL + CONTROL_OVERFLOW], POLICY
wait:
    mov eax, esi
    call ecalls_wait
    test eax, eax
    js wrong
take:
    mov eax, ebx
    mov edx, entry
    mov ecx, shape
    call ecall_take
    jc empty
taken:
    mov eax, [entry]
    cmp eax, [latest]
    jbe wrong                   ; twice, or out of order
    mov [latest], eax
    inc dword ptr [heard]
    jmp take
empty:
    mov eax, [heard]
    add eax, [ebx + SEGMENT_CONTROL + CONTROL_LOST]
    cmp eax, TOLD
    jb wait
    ja wrong
    cmp dword ptr [ebx + ECALL_RING_FLAG], 0
    jne wrong
    xor eax, eax
    ret
wrong:
    mov eax, 1
    ret

.rodata
text_probe:
    .asciz "probe"

.data
.align 4
registration:
    .long 0, 0, 0, 0
shape:                          ; SHAPE
    .long DATA_RING, 4, PROBE_SLOTS, 0, 0, 0

.bss
.align 4
entry:
    .space 4
latest:                         ; value
    .space 4
heard:                          ; events
    .space 4
