; Socket calls of programs, and what happens with sockets: who waits for it, and who else wants to know.
;
; guest/sockets calls a program by the TCB of its thread, and says what a call waits for; the thread makes the same call
; again when that has happened.

.include "ecalls.inc"

.text

; sys_socket: the calls from SYS_SOCKET_FIRST on; see syscall.asm for what a system call may rely on.
.global sys_socket
sys_socket:
    CURRENT ebp
    call socket_call
    jc .Lwait
    ret
.Lwait:
    mov ecx, eax
    mov ebx, FOR_EVER
    call wait
    test dword ptr [ebp + PCB_DUE], DUE_SIGNAL
    jnz .Linterrupted
    mov eax, [ebp + USER_FRAME + FRAME_EAX]
    mov ebx, [ebp + USER_FRAME + FRAME_EBX]
    mov esi, [ebp + USER_FRAME + FRAME_ESI]
    mov edi, [ebp + USER_FRAME + FRAME_EDI]
    jmp sys_socket
.Linterrupted:
    mov eax, ERR_INTERRUPTED
    ret

; sys_socket_close: SYS_SOCKET_CLOSE: as sys_socket, but whoever watched the socket forgets it.
.global sys_socket_close
sys_socket_close:
    CURRENT ebp
    push eax
    mov eax, ebx
    and eax, SOCKET_NOW - 1     ; all but the flag
    call socket_own
    jc .Lclose
    call watched_close
.Lclose:
    pop eax
    jmp sys_socket

; socket_wake: something has happened with a socket.
;   in    EAX = TCB of its owner, EDX = SOCKET
.global socket_wake
socket_wake:
    call watched_tell           ; readiness.asm: the I/O event module, and the calls that are its rivals
    mov ecx, [eax + TASK_WAITS]
    test ecx, ecx
    jz wait_wake                ; ANY_SOCKET
    cmp ecx, edx
    je wait_wake
    ret
