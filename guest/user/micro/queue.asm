; Queues of clients: rings, each client in one at most.
;
; A queue is a word: the first client's CLIENT, or 0. EAX, the client, is kept by all routines.

.include "lib/micro/user.inc"

.text

; queue_last: a client stands at the end of a queue, and nowhere else.
;   in    EAX = client, EDX = queue
.global queue_last
queue_last:
    call queue_leave
    mov [eax + CLIENT_QUEUE], edx
    push ebx
    mov ecx, [edx]
    test ecx, ecx
    jz .Lalone
    mov ebx, [ecx + CLIENT_PREV]
    mov [eax + CLIENT_NEXT], ecx
    mov [eax + CLIENT_PREV], ebx
    mov [ebx + CLIENT_NEXT], eax
    mov [ecx + CLIENT_PREV], eax
    pop ebx
    ret
.Lalone:
    mov [edx], eax
    mov [eax + CLIENT_NEXT], eax
    mov [eax + CLIENT_PREV], eax
    pop ebx
    ret

; queue_first: likewise at the beginning.
;   in    EAX = client, EDX = queue
.global queue_first
queue_first:
    call queue_last
    mov [edx], eax
    ret

; queue_leave: a client stands in no queue any more.
;   in    EAX = client
;   out   EDX kept
.global queue_leave
queue_leave:
    push ebx
    push edx
    mov ecx, [eax + CLIENT_QUEUE]
    test ecx, ecx
    jz .Lreturn
    mov dword ptr [eax + CLIENT_QUEUE], 0
    mov edx, [eax + CLIENT_NEXT]
    cmp edx, eax
    je .Lempty
    mov ebx, [eax + CLIENT_PREV]
    mov [ebx + CLIENT_NEXT], edx
    mov [edx + CLIENT_PREV], ebx
    cmp [ecx], eax
    jne .Lreturn
    mov [ecx], edx
    jmp .Lreturn
.Lempty:
    mov dword ptr [ecx], 0
.Lreturn:
    pop edx
    pop ebx
    ret

; queue_take: the first of a queue leaves it.
;   in    EDX = queue
;   out   EAX = client, or 0: the queue is empty
.global queue_take
queue_take:
    mov eax, [edx]
    test eax, eax
    jnz queue_leave
    ret
