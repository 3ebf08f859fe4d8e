; Does a program keep every register and flag, whenever a signal comes? It computes with all of them, and any change
; shows in EAX at window_end. signal_ticker.asm is the other program.

.include "signals.inc"

ACTION handled_by, handler

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGACTION, SIGRTMIN, handled_by
    CALL_KERNEL SYS_SLEEP, 2
window:
    mov eax, SEL_UCODE          ; selectors that no program has at its start
    mov ds, eax
    mov eax, SEL_UDATA & ~SEL_RPL
    mov es, eax
    mov eax, SEL_UDATA
    mov fs, eax
    mov eax, SEL_UCODE & ~SEL_RPL | 1
    mov gs, eax
    push (FLAGS_PROGRAM & ~FLAGS_TF | FLAGS_NT | FLAGS_IF) & ~1
    popfd
    mov eax, 0x10203040         ; and a sum in which each register has a part
    mov ebx, 0x50607080
    mov ecx, 0x90A0B0C0
    mov edx, 0xD0E0F001
    mov esi, 0x12345678
    mov edi, 0x9ABCDEF0
    mov ebp, 0x0F1E2D3C
    .rept 3
    adc eax, ebx                ; carry, overflow, sign, zero, parity: the next instructions use them
    rcl ebx, 3
    adc ecx, edx
    rcr edx, 5
    sbb esi, edi
    rcl edi, 7
    adc ebp, eax
    seto al
    setp ah
    sbb edx, ebp
    bswap eax
    xchg ebx, esi
    push eax
    xor [esp], edi
    pop ecx
    .endr
    pushfd
    add eax, [esp]              ; the flags that nothing changed are in there: DF, NT, AC, ID
    push FLAGS_IF
    popfd
    .irp register, ebx, ecx, edx, esi, edi, ebp
    add eax, \register
    .endr
    .irp segment, ds, es, fs, gs
    rol eax, 5
    mov ecx, \segment
    add eax, ecx
    .endr
    rol eax, 5
    add eax, esp
window_end:
    mov eax, SEL_UDATA
    mov ds, eax
    mov es, eax
    EXIT 0

handler:                        ; leaves no register as it was
    inc dword ptr [handled]
    xor eax, eax
    mov fs, eax
    mov gs, eax
    mov ecx, ds
    cmp ecx, SEL_UDATA
    jne wrong
    pushfd
    pop ecx
    test ecx, FLAGS_DF | FLAGS_NT | 0x40000
    jnz wrong
    mov ebx, -1
    mov ecx, ebx
    mov edx, ebx
    mov esi, ebx
    mov edi, ebx
    mov ebp, ebx
    push FLAGS_DF | FLAGS_NT | FLAGS_ID | 0x8D5
    popfd
    ret
wrong:
    EXIT 1
TRAMPOLINE

.bss
.align 4
handled:
    .space 4
