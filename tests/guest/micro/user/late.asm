; Does a timeout that comes just too late leave the next IPC alone? The host moves the tick through the timeout server.
;
; The friend sends when the server has seen the tick at which our timeout ends. Undisturbed, that is when it has cancelled
; already. But if the server loses the processor in between, the message comes first, and the server cancels when we are in
; the call that follows: the friend answers it only when the server has had its turn again.

.include "test.inc"

STACK = 1024
TICKS = 2

.text

; main: asks. The exit code is 1 if the call was canceled.
.global main
main:
    mov dword ptr [due], -1
    call timeout_init
    MYSELF eax
    mov [me], eax
    START friend, stack_top
    mov [other], eax
    mov eax, [timeout_now]
    add eax, TICKS + 1
    mov [due], eax
    mov eax, NIL_THREAD
    mov edx, [other]
    mov ecx, TICKS
    xor esi, esi
    call ipc_timed
    mov eax, [other]
    xor esi, esi
    call ipc_call
    xor eax, eax
    test esi, TAG_ERROR
    jz .Lreturn
    inc eax
.Lreturn:
    ret

friend:
    mov eax, [timeout_now]
    cmp eax, [due]
    jne friend
    mov eax, [me]
    xor esi, esi
    call ipc_send_now
    mov edx, [me]
    call ipc_receive
    mov eax, NIL_THREAD
    call thread_switch
    mov eax, [me]
    xor esi, esi
    jmp ipc_send

.bss

.align 16
    .space STACK
stack_top:
me:
    .space 4
other:
    .space 4
due:
    .space 4
