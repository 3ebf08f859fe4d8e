; A server's front: the service `io`. See serve.asm for what a front offers.
;
; It takes active sockets out of fd_active, and enters the kernel only if there is none. Interest is told by
; a deferred ECall, which is heard at the end of the next system call, or when this one waits: so that costs no call.
;
; Its arguments: the thresholds of overload control, for connections and for those that wait; and a real-time signal, if
; each event is to queue one, for which it then waits; else it waits for the segment.

SHIFT = 5                       ; a word of a set has 32 sockets
WORDS = (SOCKETS >> SHIFT) + 1  ; that may have bits

.text

; front_begin: registers.
.global front_begin
front_begin:
    push ebx
    push esi
    push edi
    mov esi, eax
    call argument_next
    mov edi, eax
    call argument_next
    call argument_number
    test eax, eax
    jz .Lregister
    mov [registration + REGISTRATION_SIGNAL], eax
    mov dword ptr [registration + REGISTRATION_METHODS], METHOD_SIGNAL
    lea ecx, [eax - SIGRTMIN]
    mov edx, 1
    shl edx, cl
    mov [signals], edx
    xor eax, eax
    call sigprocmask            ; it is waited for, and has no handler
.Lregister:
    mov eax, text_io
    mov edx, registration
    call ecalls_register
    test eax, eax
    js .Lerror
    mov [channel], eax
    imul eax, eax, ECALL_SPAN
    lea ebx, [eax + ECALL_TELL]
    add eax, ECALL_HEAR
    mov [interest], ebx
    mov [activity], eax
    lea eax, [ebx + SOCKET_INTEREST_NUMCONNECTS]
    mov [connections], eax
    mov eax, esi
    call argument_number
    mov [ebx + SOCKET_INTEREST_CONNECTS_THRESHOLD], eax
    mov eax, edi
    call argument_number
    mov [ebx + SOCKET_INTEREST_WAITING_THRESHOLD], eax
    clc
    jmp .Lreturn
.Lerror:
    stc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; front_want: the kernel knows when a socket is closed; all else it is told.
.global front_want
front_want:
    mov edx, [interest]
    test eax, eax
    jz .Lreturn
    mov ecx, [ebx + SEAT_SOCKET]
    bts [edx + SOCKET_INTEREST_FD_LIST], ecx
    btr [edx + SOCKET_INTEREST_FD_WRITE], ecx
    cmp eax, READY_READ
    je .Ltell
    btr [edx + SOCKET_INTEREST_FD_LIST], ecx
    bts [edx + SOCKET_INTEREST_FD_WRITE], ecx
.Ltell:
    bts [edx + SOCKET_INTEREST_UPDATED_FD_LIST], ecx
    inc dword ptr [edx + SOCKET_INTEREST_FLAG]
    or dword ptr [edx + SEGMENT_CONTROL + CONTROL_WHEN], DEFER_CALL | DEFER_SCHEDULE
.Lreturn:
    ret

; front_ask: all active sockets.
.global front_ask
front_ask:
    push ebx
    push esi
    push edi
    push ebp
    mov ebp, eax
    mov esi, [activity]
.Lagain:
    cmp dword ptr [esi + SOCKET_READY_FLAG], 0
    je .Lnone
    xor edx, edx                ; how many
    xor edi, edi                ; word
.Lword:
    mov eax, [esi + SOCKET_READY_FD_ACTIVE + edi * 4]
.Lbit:
    bsf ecx, eax
    jz .Lskip
    btr eax, ecx
    push eax
    mov eax, edi
    shl eax, SHIFT
    add eax, ecx
    btr [esi + SOCKET_READY_FD_ACTIVE], eax     ; in this order: what happens from here on sets it again
    dec dword ptr [esi + SOCKET_READY_FLAG]
    mov ebx, [seat_of + eax * 4]
    test ebx, ebx
    jz .Lgone
    inc edx
    push edx
    call seat_ready
    pop edx
.Lgone:
    pop eax
    jmp .Lbit
.Lskip:
    inc edi
    cmp edi, WORDS
    jb .Lword
    mov eax, edx
    test eax, eax
    jz .Lagain
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret
.Lnone:
    xor eax, eax
    test ebp, ebp
    jnz .Lreturn
    mov edx, [signals]
    test edx, edx
    jnz .Lsignal
    mov eax, [channel]
    call ecalls_wait
    test eax, eax
    jz .Lagain
    jmp .Lreturn
.Lsignal:
    call sigwaitinfo
    test eax, eax
    jns .Lagain
    jmp .Lreturn

.rodata

text_io:
    .asciz "io"

.data

.align 4
registration:                   ; REGISTRATION: without more, it is told in the segment alone
    .long 0, 0, 0, 0

.bss

.align 4
channel:                        ; its number
    .space 4
signals:                        ; bit n: signal 32 + n is waited for; 0: none
    .space 4
interest:                       ; SOCKET_INTEREST
    .space 4
activity:                       ; SOCKET_READY
    .space 4
