; select(): which of these sockets are ready? The kernel looks at each that is asked for, and again when one of them has
; become ready.
;
; What is asked for is copied first, so an event of a socket wakes who waits only if it is one that he waits for.

.include "ecalls.inc"
.include "sockets/sockets.inc"

WORD_SHIFT = 5                  ; a word of a set has 32 sockets

; The stack of sys_select.
ASKED = 0                       ; SELECT of what is asked for
FOUND = ASKED + SELECT_SIZE     ; SELECT of what is ready
WORDS = FOUND + SELECT_SIZE     ; words of a set that count
TICKS = WORDS + 4               ; as the program says
SETS = TICKS + 4                ; its SELECT
CALLED = 4                      ; in select_scan: bytes in front of all that

.text

; sys_select: see syscall.asm for what a system call may rely on.
;   in    EBX = address of a SELECT, ESI = the last socket that counts, EDI = ticks
;   out   EAX = how many are ready, or an error
.global sys_select
sys_select:
    mov eax, ebx
    mov edx, SELECT_SIZE
    mov ecx, 1
    call user_memory
    jc .Laddress
    CURRENT ebp
    call watched_begin
    cmp esi, SOCKETS
    jbe .Lmost
    mov esi, SOCKETS
.Lmost:
    mov [ebp + PCB_WATCHER + WATCHER_SELECT_MOST], esi
    shr esi, WORD_SHIFT
    inc esi
    push ebx
    push edi
    push esi
    sub esp, WORDS
    mov ecx, esi
    lea esi, [ebx + SELECT_READ]
    lea edi, [esp + ASKED + SELECT_READ]
    rep movsd
    mov ecx, [esp + WORDS]
    lea esi, [ebx + SELECT_WRITE]
    lea edi, [esp + ASKED + SELECT_WRITE]
    rep movsd
.Llook:
    call select_scan
    jc .Lend                    ; EAX = ERR_SOCKET
    test eax, eax
    jnz .Lready
    mov edi, [esp + TICKS]
    mov [ebp + PCB_WATCHER + WATCHER_SELECT], esp
    call watched_wait
    mov dword ptr [ebp + PCB_WATCHER + WATCHER_SELECT], 0
    jnc .Llook
    test eax, eax
    jnz .Lend
.Lready:
    mov ebx, [esp + SETS]
    mov ecx, [esp + WORDS]
    lea esi, [esp + FOUND + SELECT_READ]
    lea edi, [ebx + SELECT_READ]
    rep movsd
    mov ecx, [esp + WORDS]
    lea esi, [esp + FOUND + SELECT_WRITE]
    lea edi, [ebx + SELECT_WRITE]
    rep movsd
.Lend:
    add esp, SETS + 4
    ret
.Laddress:
    mov eax, ERR_ADDRESS
    ret

; select_scan: looks at all sockets that are asked for.
;   in    EBP = PCB, ASKED and WORDS on the stack
;   out   FOUND there, EAX = bits that are set in it; CF set: EAX = ERR_SOCKET. EBX, ESI, EDI destroyed
select_scan:
    xor esi, esi                ; word
    xor ebx, ebx                ; how many
.Lword:
    mov edi, [esp + CALLED + ASKED + SELECT_READ + esi * 4]
    or edi, [esp + CALLED + ASKED + SELECT_WRITE + esi * 4]
    xor eax, eax
    mov [esp + CALLED + FOUND + SELECT_READ + esi * 4], eax
    mov [esp + CALLED + FOUND + SELECT_WRITE + esi * 4], eax
    test edi, edi
    jz .Lskip
    mov eax, esi
    inc eax
    cmp eax, [esp + CALLED + WORDS]
    jb .Lbit
    mov ecx, [ebp + PCB_WATCHER + WATCHER_SELECT_MOST]      ; the last word: those behind do not count
    mov eax, 2
    shl eax, cl
    dec eax
    and edi, eax
.Lbit:
    bsf ecx, edi
    jz .Lskip
    mov eax, edi
    dec eax
    and edi, eax
    push ecx
    mov eax, esi
    shl eax, WORD_SHIFT
    add eax, ecx
    call socket_own
    jc .Lforeign
    call socket_ready
    pop ecx
    mov edx, 1
    shl edx, cl
    test al, READY_READ
    jz .Lwrite
    test [esp + CALLED + ASKED + SELECT_READ + esi * 4], edx
    jz .Lwrite
    or [esp + CALLED + FOUND + SELECT_READ + esi * 4], edx
    inc ebx
.Lwrite:
    test al, READY_WRITE
    jz .Lbit
    test [esp + CALLED + ASKED + SELECT_WRITE + esi * 4], edx
    jz .Lbit
    or [esp + CALLED + FOUND + SELECT_WRITE + esi * 4], edx
    inc ebx
    jmp .Lbit
.Lskip:
    inc esi
    cmp esi, [esp + CALLED + WORDS]
    jb .Lword
    mov eax, ebx
    clc
    ret
.Lforeign:
    pop ecx
    mov eax, ERR_SOCKET
    stc
    ret

; select_tell: something has happened with a socket while its owner waits here.
;   in    EDI = PCB, ESI = READY_ bits of the socket, EBX = its WATCHED
.global select_tell
select_tell:
    push esi
    mov eax, ebx
    call watched_socket
    call socket_name
    mov ecx, [edi + PCB_WATCHER + WATCHER_SELECT]
    cmp eax, [edi + PCB_WATCHER + WATCHER_SELECT_MOST]
    ja .Lreturn
    test esi, READY_READ
    jz .Lwrite
    bt [ecx + SELECT_READ], eax
    jc .Lwake
.Lwrite:
    test esi, READY_WRITE
    jz .Lreturn
    bt [ecx + SELECT_WRITE], eax
    jnc .Lreturn
.Lwake:
    mov eax, edi
    call wait_wake
.Lreturn:
    pop esi
    ret
