; Interrupts of a virtual machine: bits that main takes when it can. The guest operating system has no other kind.
;
; Owns the network card and the time. Sleepers are few, so each tick looks at all programs.

.include "net/net.inc"
.include "lib/micro/user.inc"

.text

; network_init: sets the card going, if there is one, and the network in any case. Each virtual machine has the address
; behind that of the one before.
.global network_init
network_init:
    cmp dword ptr [VM_BASE + VMINFO_CARD], 0
    je .Lnetwork
    mov eax, VM_CARD
    mov edx, card_memory
    mov ecx, card_memory - VM_BASE
    add ecx, [VM_BASE + VMINFO_PHYSICAL]
    call e1000_init
.Lnetwork:
    call host_init
    mov eax, [VM_BASE + VMINFO_NUMBER]
    bswap eax                   ; its low byte is the last one of an address
    add [host + NET_ADDRESS], eax
    jmp host_start

; interrupts_take: what has happened since.
.global interrupts_take
interrupts_take:
    push ebx
    xor ebx, ebx
    xchg ebx, [VM_BASE + VMINFO_PENDING]
    test bl, VM_NIC
    jz .Ltick
    call e1000_interrupt
    or dword ptr [lines_done], VM_NIC
.Ltick:
    test bl, VM_TICK
    jz .Lreturn
    call net_tick
    call sleepers_wake
.Lreturn:
    pop ebx
    ret

; sleepers_wake: programs whose tick has come go on.
sleepers_wake:
    push ebx
    push esi
    call ticks_now
    mov esi, eax
    mov ebx, programs
.Lprogram:
    cmp dword ptr [ebx + VT_STATUS], VT_SLEEPS
    jne .Lnext
    mov eax, esi
    sub eax, [ebx + VT_WAKE]
    js .Lnext
    mov dword ptr [ebx + VT_STATUS], VT_READY
    mov eax, ebx
    call program_wakes          ; the policy's
.Lnext:
    add ebx, VT_SIZE
    cmp ebx, programs + VM_PROGRAMS * VT_SIZE
    jb .Lprogram
    pop esi
    pop ebx
    ret

; net_clock: the time.
;   out   EAX = milliseconds
.global net_clock
net_clock:
    call ticks_now              ; the policy's
    mul dword ptr [KIP_BASE + KIP_TICK_US]
    mov ecx, 1000
    cmp edx, ecx
    jae .Lwraps
    div ecx
    ret
.Lwraps:                        ; after 49 days; milliseconds may wrap around as well
    push eax
    mov eax, edx
    xor edx, edx
    div ecx
    pop eax
    div ecx
    ret

.bss

.global lines_done

.align PAGE_SIZE
card_memory:
    .space E1000_SIZE
lines_done:                     ; VM_ lines that may fire again, and whose keeper does not know yet
    .space 4
