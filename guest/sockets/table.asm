; The sockets that there are, and what each program has of them.
;
; Owns the table, and the accounts. A program has at most SOCKETS_OWNED of it, and so at most as many connections: there
; are always some left for others. The free socket that was in use last is taken, or one that never was; so numbers stay
; as low as there are many at a time, and to make a socket takes as long whether there are few or many.

.include "sockets.inc"

.text

; socket_new: a new socket.
;   in    EAX = kind, ECX = connections that may wait, EDX = how many of that kind a program may have; EBP = owner
;   out   EBX = SOCKET, SOCKET_NET is still to be set; CF set: too many. ESI, EDI are kept
.global socket_new
socket_new:
    push esi
    mov ebx, [sockets_free]
    test ebx, ebx
    jnz .Laccount
    mov ebx, [sockets_unused]
    cmp ebx, sockets_behind
    jae .Lfull
.Laccount:
    push eax
    call account_find
    jnc .Lcount
    call account_new
.Lcount:
    pop eax
    cmp [esi + eax * 4], edx    ; of this kind
    jae .Ltoo_many
    mov edx, ecx
    inc edx
    add edx, [esi + ACCOUNT_ALL]
    cmp edx, SOCKETS_OWNED
    ja .Ltoo_many
    mov [esi + ACCOUNT_ALL], edx
    inc dword ptr [esi + eax * 4]
    mov edx, [ebx + SOCKET_LINK]
    cmp [sockets_free], ebx
    je .Ltake
    lea edx, [ebx + SOCKET_SIZE]
    mov [sockets_unused], edx
    xor edx, edx
.Ltake:
    mov [sockets_free], edx
    mov [ebx + SOCKET_OWNER], ebp
    mov [ebx + SOCKET_KIND], eax
    mov [ebx + SOCKET_ACCOUNT], esi
    mov [ebx + SOCKET_WAITING], cx
    xor eax, eax
    mov [ebx + SOCKET_BACK], eax
    mov [ebx + SOCKET_STIRRED], al
    pop esi
    ret                         ; CF is clear
.Ltoo_many:
    call account_settle
.Lfull:
    stc
    pop esi
    ret

.assert ACCOUNT_LISTENERS == SOCKET_LISTENER * 4, "socket_new"
.assert ACCOUNT_STREAMS == SOCKET_STREAM * 4, "socket_new"
.assert ACCOUNT_DATAGRAMS == SOCKET_DATAGRAMS * 4, "socket_new"

; account_find: what an owner has.
;   in    EBP = owner
;   out   ESI = ACCOUNT; CF set: it has no sockets. EBX, ECX, EDX are kept
.global account_find
account_find:
    mov esi, accounts - ACCOUNT_SIZE
.Lnext:
    add esi, ACCOUNT_SIZE
    cmp esi, [accounts_top]
    jae .Lnone
    cmp [esi + ACCOUNT_OWNER], ebp
    jne .Lnext
    ret                         ; CF is clear
.Lnone:
    stc
    ret

; account_new: an owner that has no sockets gets one. There are as many accounts as sockets.
;   in    EBP = owner
;   out   ESI = ACCOUNT. EBX, ECX, EDX are kept
account_new:
    push ebp
    xor ebp, ebp
    call account_find
    pop ebp
    jnc .Lbegin
    add dword ptr [accounts_top], ACCOUNT_SIZE
.Lbegin:
    mov [esi + ACCOUNT_OWNER], ebp
    lea eax, [esi + ACCOUNT_FIRST - SOCKET_LINK]
    mov [esi + ACCOUNT_FIRST], eax
    mov [esi + ACCOUNT_LAST], eax
    xor eax, eax
    mov [esi + ACCOUNT_LISTENERS], eax
    mov [esi + ACCOUNT_STREAMS], eax
    mov [esi + ACCOUNT_DATAGRAMS], eax
    mov [esi + ACCOUNT_ALL], eax
    ret

; account_settle: who has no sockets needs no account.
;   in    ESI = ACCOUNT
account_settle:
    cmp dword ptr [esi + ACCOUNT_ALL], 0
    jne .Lreturn
    mov dword ptr [esi + ACCOUNT_OWNER], 0
.Lreturn:
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
    push esi
    mov eax, ebx
    call socket_forget
    mov esi, [ebx + SOCKET_ACCOUNT]
    mov eax, [ebx + SOCKET_KIND]
    dec dword ptr [esi + eax * 4]
    movzx eax, word ptr [ebx + SOCKET_WAITING]
    inc eax
    sub [esi + ACCOUNT_ALL], eax
    call account_settle
    mov dword ptr [ebx + SOCKET_OWNER], 0
    mov eax, [sockets_free]
    mov [ebx + SOCKET_LINK], eax
    mov [sockets_free], ebx
    pop esi
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

.data

.align 4
sockets_unused:                 ; the first SOCKET that never was in use
    .long sockets
accounts_top:                   ; behind the last ACCOUNT that ever was in use
    .long accounts

.bss

.global sockets

.align 4
sockets_free:                   ; SOCKET that was in use last and is free, or 0
    .space 4
sockets:                        ; SOCKETs
    .space SOCKETS * SOCKET_SIZE
sockets_behind:
accounts:                       ; ACCOUNTs
    .space SOCKETS * ACCOUNT_SIZE
