; Does every IPC with a timeout end by a message or by its timeout, whenever the message comes, and no other one ever?
;
; A friend sends after a delay that grows from below the timeout to above it. After each, we call the friend without a
; timeout: that call must never fail. What the friend got rid of must be what came here.

.include "test.inc"

STACK  = 1024
ROUNDS = 120
TICKS  = 2
STEP   = 97                         ; turns of an empty loop that each delay is longer than the one before

.text

; main: asks.
.global main
main:
    call timeout_init
    MYSELF eax
    mov [me], eax
    START friend, stack_top
    mov [other], eax
    mov ebp, ROUNDS
.Lround:
    mov eax, NIL_THREAD
    mov edx, [other]
    mov ecx, TICKS
    xor esi, esi
    call ipc_timed
    test esi, TAG_ERROR
    jnz .Ltimeout
    inc dword ptr [messages]
    jmp .Lcall
.Ltimeout:
    inc dword ptr [timeouts]
    UTCB edx
    cmp dword ptr [edx + UTCB_ERROR], IPC_CANCELED | IPC_RECEIVE_PHASE
    je .Lcall
    SAY "wrong: another error\n"
.Lcall:
    mov eax, [other]
    xor esi, esi
    call ipc_call
    test esi, TAG_ERROR
    jz .Lnext
    SAY "wrong: an IPC without timeout was canceled\n"
.Lnext:
    dec ebp
    jnz .Lround
    mov eax, [messages]
    add eax, [timeouts]
    VALUE "rounds: "
    mov eax, [messages]
    sub eax, [sent]
    VALUE "lost: "
    mov eax, [messages]
    VALUE "messages: "
    mov eax, [timeouts]
    VALUE "timeouts: "
    xor eax, eax
    ret

; friend: sends after a while if somebody still waits for it, and answers a call then.
friend:
    add dword ptr [delay], STEP
    mov ecx, [delay]
.Ldelay:
    dec ecx
    jnz .Ldelay
    mov eax, [me]
    xor esi, esi
    call ipc_send_now
    test esi, TAG_ERROR
    jnz .Lanswer
    inc dword ptr [sent]
.Lanswer:
    mov edx, [me]
    call ipc_receive
    mov eax, [me]
    xor esi, esi
    call ipc_send
    jmp friend

.bss

.align 16
    .space STACK
stack_top:
me:
    .space 4
other:
    .space 4
delay:
    .space 4
messages:
    .space 4
timeouts:
    .space 4
sent:
    .space 4
