; The sockets that there are.
;
; Owns the table. A program has at most SOCKETS_OWNED of it, and so at most as many connections: there are always some
; left for others.

.include "sockets.inc"

.text

; socket_new: a new socket.
;   in    EAX = kind, ECX = connections that may wait, EDX = how many of that kind a program may have; EBP = owner
;   out   EBX = SOCKET, SOCKET_NET is still to be set; CF set: too many. ESI, EDI are kept
.global socket_new
socket_new:
    push esi
    push edi
    push ecx
    xor esi, esi                ; a free one
    mov edi, SOCKETS_OWNED
    sub edi, ecx                ; what the owner may have, without those that it has
    mov ebx, sockets
.Lnext:
    mov ecx, [ebx + SOCKET_OWNER]
    jecxz .Lfree
    cmp ecx, ebp
    jne .Lskip
    dec edi
    sub edi, [ebx + SOCKET_WAITING]
    cmp [ebx + SOCKET_KIND], eax
    jne .Lskip
    dec edx
    jmp .Lskip
.Lfree:
    mov esi, ebx
.Lskip:
    add ebx, SOCKET_SIZE
    cmp ebx, sockets_behind
    jb .Lnext
    pop ecx
    mov ebx, esi
    test edi, edi
    jle .Lfull
    test edx, edx
    jle .Lfull
    test ebx, ebx
    jz .Lfull
    mov [ebx + SOCKET_OWNER], ebp
    mov [ebx + SOCKET_KIND], eax
    mov [ebx + SOCKET_WAITING], ecx
    xor eax, eax
    mov [ebx + SOCKET_STIRRED], eax
    mov [ebx + SOCKET_HAPPENED], eax
    pop edi
    pop esi
    ret                         ; CF is clear
.Lfull:
    stc
    pop edi
    pop esi
    ret

; socket_number: what the program calls a socket.
;   in    EBX = SOCKET
;   out   EAX = its number; CF clear
.global socket_number
socket_number:
    mov eax, ebx
    sub eax, sockets
    shr eax, SOCKET_SHIFT
    inc eax
    clc
    ret

; call_close: SYS_SOCKET_CLOSE.
;   in    EBX = SOCKET
;   out   EAX = 0; CF clear
.global call_close
call_close:
    mov eax, [ebx + SOCKET_NET]
    mov edx, [ebx + SOCKET_KIND]
    cmp edx, SOCKET_STREAM
    je .Lstream
    cmp edx, SOCKET_LISTENER
    je .Llistener
    call socket_unbind
    jmp .Lfree
.Lstream:
    call tcp_close
    jmp .Lfree
.Llistener:
    call tcp_ignore
.Lfree:
    call socket_free
    xor eax, eax
    ret

; socket_free: a socket is nobody's any more.
;   in    EBX = SOCKET
.global socket_free
socket_free:
    mov eax, ebx
    call socket_forget
    mov dword ptr [ebx + SOCKET_OWNER], 0
    ret

; sockets_end: an owner has ended: its sockets are closed.
;   in    EAX = owner
.global sockets_end
sockets_end:
    push ebx
    push esi
    mov esi, eax
    mov ebx, sockets
.Lnext:
    cmp [ebx + SOCKET_OWNER], esi
    jne .Lskip
    call call_close
.Lskip:
    add ebx, SOCKET_SIZE
    cmp ebx, sockets_behind
    jb .Lnext
    pop esi
    pop ebx
    ret

.bss

.global sockets

.align 4
sockets:                        ; SOCKETs
    .space SOCKETS * SOCKET_SIZE
sockets_behind:
