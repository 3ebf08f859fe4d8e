; DWCS: the ECall server, a pseudo task that has the rest of the processor, for events.
;
; Owns its DWCS. It wants to run when an event is pending; then it is scheduled like a process with the tightest of
; windows, 0/YMAX, and the process with the first event runs in its slots. Its period is that process's C, or 1, divided
; by the share of the processor that is left. It has a promise, unless there are processes with windows and without one:
; these would get nothing but what is left of it, so then it is one of them.

.include "ecalls.inc"

.if SCHED_EVENTS

.text

; server_take: does the server get this slot? Nobody has it yet.
;   in    EAX = DWCS of the process with the first event; EBX = DWCS that is the first but for the server, ESI = its
;         LEVEL_
;   out   CF set: yes
.global server_take
server_take:
    mov edx, [ecall_server + DWCS_DEADLINE]
    sub edx, [slot]
    jle .Lnew
    cmp dword ptr [server_active], 0
    jne .Lcompare
    mov ecx, [ecall_server + DWCS_LEFT]         ; as window_wake
    imul ecx, [ecall_server + DWCS_PERIOD]
    imul edx, [ecall_server + DWCS_RUNTIME]
    cmp ecx, edx
    ja .Lnew
    mov dword ptr [server_active], 1
.Lcompare:
    cmp dword ptr [ecall_server + DWCS_LEFT], 0
    je .Lno
    mov eax, ecall_server
    cmp [eax + DWCS_FLAGS], esi
    je window_before
    ret                                         ; CF: its level is the better one

    ; A new period, if there is anything left.
.Lnew:
    mov dword ptr [ecall_server + DWCS_LEFT], 0
    mov ecx, [dwcs_free]
    sub ecx, [slot]
    jg .Lno
    mov ecx, [eax + DWCS_RUNTIME]
    test ecx, ecx
    jnz .Lrest
    inc ecx
.Lrest:
    cmp dword ptr [dwcs_wanted_high], 0
    jne .Lno
    mov eax, SHARE_ALL
    sub eax, [dwcs_promised]
    sub eax, [dwcs_wanted]
    jbe .Lno
    push ebx
    mov ebx, eax
    mov eax, SHARE_ALL
    mul ecx
    dec ebx
    add eax, ebx                                ; round up
    adc edx, 0
    inc ebx
    cmp edx, ebx
    jae .Lfull
    div ebx
    cmp eax, PERIOD_MAX
    ja .Lfull
    pop ebx
    mov [ecall_server + DWCS_PERIOD], eax
    mov [ecall_server + DWCS_RUNTIME], ecx
    mov [ecall_server + DWCS_LEFT], ecx
    mov edx, [dwcs_unpromised]
    neg edx
    sbb edx, edx
    and edx, WINDOW_UNPROMISED
    mov [ecall_server + DWCS_FLAGS], edx
    mov dword ptr [ecall_server + DWCS_Y], YMAX
    add eax, [slot]
    mov [ecall_server + DWCS_DEADLINE], eax
    mov dword ptr [server_active], 1
    jmp .Lcompare
.Lfull:
    pop ebx
.Lno:
    clc
    ret

.assert WINDOW_UNPROMISED == 1, "the flags of the server are its LEVEL_"

.bss

.global ecall_server, server_active

.align 4
ecall_server:                   ; its DWCS, in no queue
    .space DWCS_SIZE
server_active:                  ; not 0: when the last slot was given away, events were pending
    .space 4

.endif
