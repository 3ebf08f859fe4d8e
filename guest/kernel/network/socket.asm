; Socket calls of programs, and threads that wait in them.
;
; guest/sockets calls a program by the TCB of its thread, and says what a call waits for; the thread makes the same call
; again when that has happened.

.include "kernel/kernel.inc"

CALLER = TCB_AREA - FRAME_SIZE  ; where the trap frame of a thread's program is in its area

.text

; sys_socket: the calls from SYS_SOCKET_FIRST on.
.global sys_socket
sys_socket:
    CURRENT ebp
.Lcall:
    call socket_call
    jc .Lwait
    push eax
    call sched_point
    pop eax
    ret
.Lwait:
    mov [ebp + TASK_WAITS], eax
    mov dword ptr [ebp + TCB_STATE], THREAD_WAITING
    call sched_leave
    mov eax, [ebp + CALLER + FRAME_EAX]
    mov ebx, [ebp + CALLER + FRAME_EBX]
    mov esi, [ebp + CALLER + FRAME_ESI]
    mov edi, [ebp + CALLER + FRAME_EDI]
    jmp .Lcall

; socket_wake: something has happened with a socket.
;   in    EAX = TCB of its owner, EDX = SOCKET
.global socket_wake
socket_wake:
    cmp dword ptr [eax + TCB_STATE], THREAD_WAITING
    jne .Lreturn
    mov ecx, [eax + TASK_WAITS]
    jecxz .Lready
    cmp ecx, edx
    je .Lready
.Lreturn:
    ret
.Lready:
    jmp sched_ready
