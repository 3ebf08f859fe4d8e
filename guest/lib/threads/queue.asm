; Queues of threads that wait: first come, first served.
;
;     QUEUE_HEAD -> UT -UT_NEXT-> UT -UT_NEXT-> ... -> UT -UT_NEXT-> 0
;     QUEUE_TAIL ---------------------------------------^

.include "lib/threads/threads.inc"

.text

; queue_put: a thread queues up at the end. Locked.
;   in    EAX = QUEUE, EDX = thread, in no queue
;   out   EAX, EDX kept
.global queue_put
queue_put:
    mov dword ptr [edx + UT_NEXT], 0
    cmp dword ptr [eax + QUEUE_HEAD], 0
    je .Lempty
    mov ecx, [eax + QUEUE_TAIL]
    mov [ecx + UT_NEXT], edx
    mov [eax + QUEUE_TAIL], edx
    ret
.Lempty:
    mov [eax + QUEUE_HEAD], edx
    mov [eax + QUEUE_TAIL], edx
    ret

; queue_take: the thread that has waited longest. Locked.
;   in    ECX = QUEUE
;   out   EAX = thread, or 0; ZF accordingly; ECX kept
.global queue_take
queue_take:
    mov eax, [ecx + QUEUE_HEAD]
    test eax, eax
    jz .Lreturn
    mov edx, [eax + UT_NEXT]
    mov [ecx + QUEUE_HEAD], edx
.Lreturn:
    ret
