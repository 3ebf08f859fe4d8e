; Socket calls: which, with what kind of socket, and whether it is the caller's.

.include "sockets.inc"

.macro CALL number, kinds, routine      ; the table is checked against the numbers, so neither order can be wrong
    .assert . - socket_calls == (\number - SYS_SOCKET_FIRST) * CALL_SIZE, "socket_calls is not in the order of the numbers"
    .long \kinds
    .long \routine
.endm

CALL_ROUTINE = 4                ; an entry of socket_calls: kinds of its socket, 0: it has none; routine
CALL_SIZE = 8

.text

; socket_call: a system call of a program. The routines in socket_calls get the arguments, EBX = SOCKET if the call is for
; one, and may destroy all registers.
;   in    EAX = number, SYS_SOCKET_FIRST and up; EBX, ESI, EDI = arguments, EBP = owner
;   out   EAX = result; CF set: it has to wait: EAX = SOCKET, or 0: any of the owner's; when socket_wake has told, the same
;         call is to be made again. EBP is kept, all else destroyed
.global socket_call
socket_call:
    push ebp
    cmp eax, SYS_SOCKET_END
    jae .Lunknown
    lea eax, [socket_calls + eax * CALL_SIZE - SYS_SOCKET_FIRST * CALL_SIZE]
    mov edx, [eax]
    test edx, edx
    jz .Lcall
    mov ecx, ebx
    and ecx, SOCKET_NOW
    mov [socket_now], ecx
    xor ebx, ecx
    dec ebx
    cmp ebx, SOCKETS
    jae .Lforeign
    shl ebx, SOCKET_SHIFT
    add ebx, sockets
    cmp [ebx + SOCKET_OWNER], ebp
    jne .Lforeign
    test [ebx + SOCKET_KIND], edx
    jz .Lforeign
.Lcall:
    call dword ptr [eax + CALL_ROUTINE]
    pop ebp
    ret
.Lforeign:
    mov eax, ERR_SOCKET
    clc
    pop ebp
    ret
.Lunknown:
    mov eax, ERR_CALL
    clc
    pop ebp
    ret

; socket_again: a call cannot go on.
;   in    EBX = SOCKET that it waits for, or 0; socket_now
;   out   as socket_call
.global socket_again
socket_again:
    cmp dword ptr [socket_now], 0
    jne .Lnow
    mov eax, ebx
    stc
    ret
.Lnow:
    mov eax, ERR_AGAIN
    clc
    ret

.rodata

.align 4
socket_calls:
    CALL SYS_SOCKET_LISTEN,  0,                call_listen    ; stream.asm
    CALL SYS_SOCKET_ACCEPT,  SOCKET_LISTENER,  call_accept    ; stream.asm
    CALL SYS_SOCKET_CONNECT, 0,                call_connect   ; stream.asm
    CALL SYS_SOCKET_READ,    SOCKET_STREAM,    call_read      ; stream.asm
    CALL SYS_SOCKET_WRITE,   SOCKET_STREAM,    call_write     ; stream.asm
    CALL SYS_SOCKET_FINISH,  SOCKET_STREAM,    call_finish    ; stream.asm
    CALL SYS_SOCKET_CLOSE,   SOCKET_ANY,       call_close     ; table.asm
    CALL SYS_SOCKET_BIND,    0,                call_bind      ; datagram.asm
    CALL SYS_SOCKET_RECEIVE, SOCKET_DATAGRAMS, call_receive   ; datagram.asm
    CALL SYS_SOCKET_SEND,    SOCKET_DATAGRAMS, call_send      ; datagram.asm
    CALL SYS_SOCKET_WAIT,    0,                call_wait      ; event.asm
socket_calls_end:

.assert socket_calls_end - socket_calls == (SYS_SOCKET_END - SYS_SOCKET_FIRST) * CALL_SIZE, "socket_calls has holes"

.bss

.global socket_now

.align 4
socket_now:                     ; SOCKET_NOW, or 0: of the call that is under way
    .space 4
