; The resource monitor in `l4`: the kernel schedules, monitor has the network card's interrupt, and what is left to do
; here is to answer.

.include "lib/micro/user.inc"

.text

; resource_thread: makes a thread. Its scheduler is the resource monitor: nobody else may set its priority.
;   in    EAX = identifier, EDX = one in its space, ESI = its pager, EDI = its priority
;   out   EAX = 1 or 0
.global resource_thread
resource_thread:
    push esi
    push eax
    mov ecx, ROOT_TASK
    call thread_control
    pop edx
    test eax, eax
    jz .Lreturn
    mov eax, edx
    mov ecx, -1                 ; slice and quantum stay
    mov edx, -1
    mov esi, edi
    call schedule
    mov eax, 1
.Lreturn:
    pop esi
    ret

; resource_open: the card's line is monitor's business.
.global resource_open
resource_open:
    ret

; resource_run: answers whoever asks.
;   out   does not return
.global resource_run
resource_run:
    cmp dword ptr [card_registers], 0
    je .Lwait
    mov eax, [card_line]
    shl eax, ID_SHIFT
    inc eax                     ; version 1
    mov edx, eax
    mov ecx, NIL_THREAD
    mov esi, [machines + MACHINE_MONITOR]
    call thread_control
.Lwait:
    mov edx, ANY_THREAD
    call ipc_receive
.Lmessage:
    call machine_find
    jc .Lwait                   ; nobody that we know
    call machine_message
    cmp dword ptr [ebp + MACHINE_STATE], MACHINE_READY
    jne .Lwait
    mov eax, [ebp + MACHINE_TO]
    mov esi, [ebp + MACHINE_TAG]
    mov ebx, [ebp + MACHINE_MR1]
    mov edi, [ebp + MACHINE_MR2]
    call ipc_reply_and_wait
    test esi, TAG_ERROR
    jz .Lmessage
    jmp .Lwait
