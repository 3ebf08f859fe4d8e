; Socket calls: from a thread of the program to the driver, by IPC, and what becomes of those that have to wait.
;
; Owns the table of NETCALLs, in which both see a call. Only the program's own threads can write there, and the kernel says
; who sends a message: so a call is what it says if its owner is the sender, and strangers get no answer. The driver
; hands a NETCALL back before it answers. Nobody else may cancel the IPC of a thread that is in a call.
;
;     thread      claims a NETCALL, fills it ... call ................................ result
;     driver                                      makes the call    waits, due, again  answer, NETCALL free

.include "lib/micro/user.inc"

US = 1                          ; as sockets know the program: there is only one
NETCALL_SHIFT = 5               ; of NETCALL_SIZE

.assert NETCALL_SIZE == 1 << NETCALL_SHIFT, "calls_message sees by a mask whether a NETCALL begins there"

.text

; net_syscall: makes a socket call, in the place of a kernel (guest/lib/syscall.asm).
;   in    EAX = number, EBX, ESI, EDI = arguments
;   out   EAX = result, ERR_FULL if too many threads are in such calls; ECX, EDX destroyed
net_syscall:
    push ebx
    push esi
    push edi
    mov edx, eax
    MYSELF ecx
    push ebp
    mov ebp, calls
.Lcall:
    xor eax, eax
    cmpxchg [ebp + NETCALL_OWNER], ecx
    jz .Lclaimed
    add ebp, NETCALL_SIZE
    cmp ebp, calls_end
    jb .Lcall
    pop ebp
    mov eax, ERR_FULL
    jmp .Lreturn
.Lclaimed:
    mov [ebp + NETCALL_NUMBER], edx
    mov [ebp + NETCALL_FIRST], ebx
    mov [ebp + NETCALL_SECOND], esi
    mov [ebp + NETCALL_THIRD], edi
    mov ebx, ebp
    pop ebp
    mov eax, [net_driver]
    mov esi, 1
    call ipc_call
    mov eax, ebx
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; calls_message: a message to the driver that should be a call.
;   in    EAX = sender, EBX = MR1
;   out   EAX = whom to answer, or NIL_THREAD: nobody, or not yet; ESI = tag, EBX = MR1. Others are destroyed
.global calls_message
calls_message:
    mov edx, ebx
    sub edx, calls
    cmp edx, calls_end - calls
    jae calls_nobody
    test edx, NETCALL_SIZE - 1
    jnz calls_nobody
    cmp [ebx + NETCALL_OWNER], eax
    jne calls_nobody
    add edx, calls + NETCALL_SIZE
    cmp edx, [calls_top]
    jbe call_make
    mov [calls_top], edx

; call_make: makes a call.
;   in    EBX = NETCALL
;   out   as calls_message
call_make:
    mov eax, [ebx + NETCALL_NUMBER]
    cmp eax, SYS_SOCKET_FIRST
    jb .Lunknown
    push ebx
    mov esi, [ebx + NETCALL_SECOND]
    mov edi, [ebx + NETCALL_THIRD]
    mov ebx, [ebx + NETCALL_FIRST]
    mov ebp, US
    call socket_call
    pop ebx
    jc .Lwaits
.Lanswer:
    mov edx, eax
    xor eax, eax
    xchg eax, [ebx + NETCALL_OWNER]
    mov ebx, edx
    mov esi, 1
    ret
.Lunknown:
    mov eax, ERR_CALL
    jmp .Lanswer
.Lwaits:
    mov [ebx + NETCALL_SOCKET], eax
    mov dword ptr [ebx + NETCALL_STATE], NETCALL_WAITS
    inc dword ptr [calls_waiting]
calls_nobody:
    mov eax, NIL_THREAD
    ret

; calls_again: makes a call again that is due.
;   out   as calls_message
.global calls_again
calls_again:
    dec dword ptr [calls_due]
    mov ebx, calls - NETCALL_SIZE
.Lcall:
    add ebx, NETCALL_SIZE
    cmp dword ptr [ebx + NETCALL_STATE], NETCALL_DUE
    jne .Lcall
    mov dword ptr [ebx + NETCALL_STATE], NETCALL_NEW
    jmp call_make

; socket_wake: something has happened with a socket (guest/sockets): the calls that wait for it, or for any, are due.
;   in    EAX = US, EDX = SOCKET
.global socket_wake
socket_wake:
    cmp dword ptr [calls_waiting], 0
    je .Lreturn
    mov eax, calls
.Lcall:
    cmp dword ptr [eax + NETCALL_STATE], NETCALL_WAITS
    jne .Lnext
    mov ecx, [eax + NETCALL_SOCKET]
    jecxz .Ldue
    cmp ecx, edx
    jne .Lnext
.Ldue:
    mov dword ptr [eax + NETCALL_STATE], NETCALL_DUE
    dec dword ptr [calls_waiting]
    inc dword ptr [calls_due]
.Lnext:
    add eax, NETCALL_SIZE
    cmp eax, [calls_top]
    jb .Lcall
.Lreturn:
    ret

; user_memory: may the program use this memory (guest/sockets)? It is in the same space as we are: what it does not have
; is a page fault of the driver's, which ends the program.
;   in    EAX = address, EDX = length, not 0; ECX is of no interest
;   out   EAX = address; CF set: programs have nothing there
.global user_memory
user_memory:
    add edx, eax
    jc .Lreturn
    mov ecx, UTCB_BASE
    cmp ecx, edx
.Lreturn:
    ret

.data

.global syscall

.align 4
syscall:                        ; how the sockets of guest/lib make their calls
    .long net_syscall
calls_top:                      ; behind the last NETCALL that was ever in use
    .long calls

.bss

.global calls_due

.align 16
calls:                          ; the NETCALLs
    .space NETCALL_COUNT * NETCALL_SIZE
calls_end:
calls_waiting:                  ; how many of them wait,
    .space 4
calls_due:                      ;   and how many are due
    .space 4
