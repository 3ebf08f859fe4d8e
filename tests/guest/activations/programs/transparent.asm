; Does an upcall change anything for the program that it interrupts? This one uses every register and flag that it has,
; its stack, strings in both directions, and both ways into the kernel. What comes of it without upcalls is RESULT.

.include "sleepers.inc"

ROUNDS = 3

.text

third:
    UNLOCK

; reference: the program.
reference:
    mov dword ptr [rounds], ROUNDS
    mov eax, 0x12345678
    mov ebx, 0x9ABCDEF0
    mov ecx, 0x0F1E2D3C
    mov edx, 0x4B5A6978
    mov esi, 0x13579BDF
    mov edi, 0x2468ACE0
    mov ebp, 0x55AA33CC
    mov gs, [user_segment]
next_round:
    add eax, ebx                ; arithmetic, and the flags from one instruction to a later one
    adc ecx, edx
    sbb esi, edi
    lea ebp, [ebp + eax * 2 + 5]
    rcl ebx, 3
    rcr edx, 5
    setc al
    sets bl
    seto cl
    setp dl
    setz ah
    xadd edi, esi
    cmp eax, ebx
    pushfd
    imul ebp, eax
    popfd
    adc edx, ebp
    bswap ecx
    xchg eax, edi
    mul esi
    das
    stc

    push eax                    ; the stack, and what lies next to it
    push ecx
    push edx
    push ebx
    push esi
    push edi
    call deeper
    pop edi
    pop esi
    pop ebx
    pop edx
    pop ecx
    add eax, [esp]
    pop dword ptr [spilled]
    rol eax, 7

    push esi                    ; strings, up and down
    push edi
    push ecx
    mov [words], ebx
    mov [words + 4], edx
    mov ecx, 3
    mov esi, words
    mov edi, words + 4
    movsb
    std
    lea esi, [words + 12]
    lea edi, [words + 13]
    rep movsb
    lodsd
    cld
    xor ebx, eax
    pop ecx
    pop edi
    pop esi

    pushad                      ; both ways into the kernel
    mov eax, SYS_SELF
    int VECTOR_SYSCALL
    add [calls], eax
    mov eax, SYS_PROCESS
    CALL_SYSENTER
    add [calls], eax
    popad
    mov ebp, gs
    add ebp, eax
    dec dword ptr [rounds]
    jnz next_round

    ; Everything into one word.
    pushfd
    pop ecx
    and ecx, 0xCD5
    .irp register, ebx, ecx, edx, esi, edi, ebp, esp, [spilled], [words], [words + 4], [words + 8], [calls]
    rol eax, 5
    add eax, \register
    .endr

; computed: the result stands in EAX.
computed:
    mov [result], eax
.Lwait:
    cmp dword ptr [told], 2
    jb .Lwait
    cmp dword ptr [result], RESULT
    jne wrong
    EXIT 0
wrong:
    EXIT 1

; deeper: keeps all registers but EAX.
deeper:
    push ebp
    mov ebp, esp
    sub esp, 16
    mov [ebp - 16], eax
    mov [ebp - 4], ecx
    xor eax, [ebp - 4]
    add eax, [ebp - 16]
    lahf
    leave
    ret 0

.data

.align 4
user_segment:
    .long SEL_UDATA

.bss

.align 4
rounds:
    .space 4
spilled:
    .space 4
calls:
    .space 4
result:
    .space 4
words:
    .space 32
