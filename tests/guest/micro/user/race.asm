; Does a cancellation that comes too late leave the thread's next IPC alone?

.include "test.inc"

STACK = 1024

.text

; main: plays the one who cancels: for a moment it sleeps between the decision and the act.
.global main
main:
    MYSELF eax
    mov [me], eax
    START victim, stack_top
    mov [other], eax
    call next                       ; its IPC with token 1
    mov edx, 1
    call cancel                     ; in time
    call next                       ; with token 2, about which we decide,
    call answer                     ; but here it ends,
    call next                       ; and this is the next one, with token 3
    mov edx, 2
    call cancel
    VALUE "the next one was in a receive: "
    call answer
    call next
    SAY "end\n"
    xor eax, eax
    ret

; next: waits for the victim's next call.
next:
    mov edx, [other]
    jmp ipc_receive

; answer: answers that.
answer:
    mov eax, [other]
    xor esi, esi
    jmp ipc_send

; cancel: cancels the victim's IPC if its token is EDX.
;   out   EAX = EXREG_WAS_ bits
cancel:
    mov eax, [other]
    mov ecx, EXREG_CANCEL_RECEIVE | EXREG_CANCEL_SEND | EXREG_TOKEN
    call exchange_registers
    mov eax, ecx
    ret

; victim: calls and calls, each time with another token, and tells how it went.
victim:
    UTCB edx
    inc dword ptr [edx + UTCB_TOKEN]
    mov eax, [me]
    xor esi, esi
    call ipc_call
    UTCB edx
    test esi, TAG_ERROR
    jnz .Lerror
    mov eax, [edx + UTCB_TOKEN]
    VALUE "answered: token "
    jmp victim
.Lerror:
    mov eax, [edx + UTCB_ERROR]
    VALUE "canceled: error "
    jmp victim

.bss

.align 16
    .space STACK
stack_top:
me:
    .space 4
other:
    .space 4
