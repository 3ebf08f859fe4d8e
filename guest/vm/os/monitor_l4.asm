; monitor in `l4`: gets the network card's interrupts and the time from the kernel, and tells main.
;
; It calls main and waits: so main hears of an interrupt as soon as it listens, and the card's line stays closed until main
; has taken what there was.

.include "lib/micro/user.inc"

.text

; monitor: the loop.
;   out   does not return
.global monitor
monitor:
    ; A tick as a timeout: mantissa << exponent.
    mov eax, [KIP_BASE + KIP_TICK_US]
    xor ecx, ecx
.Lexponent:
    cmp eax, TIMEOUT_MANTISSA
    jbe .Ltimeout
    shr eax, 1
    inc ecx
    jmp .Lexponent
.Ltimeout:
    shl ecx, TIMEOUT_EXPONENT_SHIFT
    or ecx, eax
    mov [tick_timeout], ecx
.Lwait:
    mov eax, NIL_THREAD
    mov edx, ANY_THREAD
    xor esi, esi
    mov ecx, [tick_timeout]
    call KIP_CODE
    xor ebx, ebx
    test esi, TAG_ERROR
    jnz .Ltime
    mov edi, eax                ; the line's thread
    mov ebx, VM_NIC
.Ltime:
    call ticks_now
    cmp eax, [tick_last]
    je .Lpend
    mov [tick_last], eax
    or ebx, VM_TICK
.Lpend:
    test ebx, ebx
    jz .Lwait
    lock or [VM_BASE + VMINFO_PENDING], ebx
    push ebx
    push edi
    mov eax, [VM_BASE + VMINFO_MAIN]
    mov esi, VM_INTERRUPT << LABEL_SHIFT
    call ipc_call
    pop eax
    pop ebx
    test bl, VM_NIC
    jz .Lwait
    xor esi, esi
    call ipc_send_now
    jmp .Lwait

.bss

.align 4
tick_timeout:                   ; a tick, as a receive timeout
    .space 4
tick_last:                      ; the last tick that main has been told of
    .space 4
