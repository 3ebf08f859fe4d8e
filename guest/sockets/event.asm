; What happens with sockets, and who waits for it.
;
; Owns the queue of the sockets with which something has happened since SYS_SOCKET_WAIT has told of them: those of all
; programs, in the order in which it happened. A program does not wait for others there: it gets the first one of its own.
;
;     happened_first -> SOCKET -SOCKET_LINK-> SOCKET -SOCKET_LINK-> ... -> 0
;     happened_last  ----------------------------------------------^

.include "sockets.inc"

.text

; net_wake: the network tells of a connection or listener.
;   in    EAX = LISTENER or CONN
.global net_wake
net_wake:
    mov edx, [eax + CONN_OWNER]
    test edx, edx
    jnz socket_tell
    ret                         ; nobody has accepted it

; socket_tell: something has happened with a socket, and its owner may wait for that.
;   in    EDX = SOCKET
.global socket_tell
socket_tell:
    mov dword ptr [edx + SOCKET_STIRRED], 1
    call socket_happened
    mov eax, [edx + SOCKET_OWNER]
    jmp socket_wake

; socket_happened: SYS_SOCKET_WAIT will tell of a socket.
;   in    EDX = SOCKET
;   out   EDX is kept
.global socket_happened
socket_happened:
    cmp dword ptr [edx + SOCKET_HAPPENED], 0
    jne .Lreturn
    mov dword ptr [edx + SOCKET_HAPPENED], 1
    mov dword ptr [edx + SOCKET_LINK], 0
    cmp dword ptr [happened_first], 0
    je .Lempty
    mov eax, [happened_last]
    mov [eax + SOCKET_LINK], edx
    mov [happened_last], edx
    ret
.Lempty:
    mov [happened_first], edx
    mov [happened_last], edx
.Lreturn:
    ret

; call_wait: SYS_SOCKET_WAIT; see socket_call for what it gets, and what it gives.
.global call_wait
call_wait:
    mov [socket_now], ebx
    and ebx, SOCKET_NOW - 1     ; all but the flag
    jnz .Largument
    mov ebx, [happened_first]
.Lnext:
    test ebx, ebx
    jz socket_again             ; EBX is 0: any
    cmp [ebx + SOCKET_OWNER], ebp
    je .Lfound
    mov ebx, [ebx + SOCKET_LINK]
    jmp .Lnext
.Lfound:
    mov eax, ebx
    call socket_forget
    jmp socket_number
.Largument:
    mov eax, ERR_ARGUMENT
    clc
    ret

; socket_forget: SYS_SOCKET_WAIT need not tell of a socket any more.
;   in    EAX = SOCKET
.global socket_forget
socket_forget:
    cmp dword ptr [eax + SOCKET_HAPPENED], 0
    je .Lreturn
    mov dword ptr [eax + SOCKET_HAPPENED], 0
    mov edx, happened_first - SOCKET_LINK       ; as if it were the SOCKET_LINK of one
.Lnext:
    mov ecx, [edx + SOCKET_LINK]
    cmp ecx, eax
    je .Lfound
    mov edx, ecx
    jmp .Lnext
.Lfound:
    mov ecx, [eax + SOCKET_LINK]
    mov [edx + SOCKET_LINK], ecx
    test ecx, ecx
    jnz .Lreturn
    mov [happened_last], edx    ; means nothing if that was the only one
.Lreturn:
    ret

.bss

.align 4
happened_first:                 ; SOCKET, or 0
    .space 4
happened_last:                  ; SOCKET; means nothing if there is none
    .space 4
