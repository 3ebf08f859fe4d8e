; The event queue: channels whose program has not heard of an event yet, for the scheduler.
;
; Owns its order: by key, the lowest first, and who came first among equals. A program hears by setting flag in its
; segment to 0, without the kernel; so an entry stays until somebody looks.
;
;     event_queue -> CHANNEL -CHANNEL_QUEUE_NEXT-> CHANNEL -CHANNEL_QUEUE_NEXT-> 0

.include "ecalls.inc"

.text

; event_queue_add: there is an event for the owner of a channel, in its segment.
;   in    EAX = CHANNEL, EDX = key
;
; A channel stands there once, with the lowest key of the events that its program has not heard.
.global event_queue_add
event_queue_add:
    cmp dword ptr [eax + CHANNEL_QUEUED], 0
    je .Lnew
    mov ecx, [eax + CHANNEL_TO_USER]
    cmp dword ptr [ecx + ECALL_LIST_FLAG], 1
    jbe .Lagain                 ; all others have been heard
    cmp edx, [eax + CHANNEL_QUEUE_KEY]
    jae .Lreturn
.Lagain:
    push edx
    call event_queue_remove
    pop edx
.Lnew:
    push esi
    mov dword ptr [eax + CHANNEL_QUEUED], 1
    mov [eax + CHANNEL_QUEUE_KEY], edx
    mov esi, event_queue - CHANNEL_QUEUE_NEXT   ; the head, as if it were the CHANNEL_QUEUE_NEXT of one
.Llook:
    mov ecx, [esi + CHANNEL_QUEUE_NEXT]
    jecxz .Lhere
    cmp edx, [ecx + CHANNEL_QUEUE_KEY]
    jb .Lhere
    mov esi, ecx
    jmp .Llook
.Lhere:
    mov [eax + CHANNEL_QUEUE_NEXT], ecx
    mov [esi + CHANNEL_QUEUE_NEXT], eax
    pop esi
    mov ecx, [eax + CHANNEL_OWNER]
    cmp dword ptr [ecx + TCB_STATE], THREAD_READY
    jne .Lreturn
    mov dword ptr [sched_due], 1
.Lreturn:
    ret

; event_queue_remove: a channel is not to stand there any more. If it does not, nothing is done.
;   in    EAX = CHANNEL
;   out   EAX kept
.global event_queue_remove
event_queue_remove:
    cmp dword ptr [eax + CHANNEL_QUEUED], 0
    je .Lreturn
    mov dword ptr [eax + CHANNEL_QUEUED], 0
    mov edx, event_queue - CHANNEL_QUEUE_NEXT
.Lnext:
    mov ecx, edx
    mov edx, [ecx + CHANNEL_QUEUE_NEXT]
    cmp edx, eax
    jne .Lnext
    mov edx, [eax + CHANNEL_QUEUE_NEXT]
    mov [ecx + CHANNEL_QUEUE_NEXT], edx
.Lreturn:
    ret

; event_queue_next: the next channel whose program can run and has events that it has not heard. Those that it has heard
; are dropped on the way.
;   in    EDX = the CHANNEL that was the last one; to begin with, event_queue - CHANNEL_QUEUE_NEXT
;   out   EAX = CHANNEL, or 0; ECX = PCB of its owner
.global event_queue_next
event_queue_next:
    mov eax, [edx + CHANNEL_QUEUE_NEXT]
    test eax, eax
    jz .Lreturn
    mov ecx, [eax + CHANNEL_TO_USER]
    cmp dword ptr [ecx + ECALL_LIST_FLAG], 0
    je .Ldrop
    mov ecx, [eax + CHANNEL_OWNER]
    cmp dword ptr [ecx + TCB_STATE], THREAD_RUNNING
    jbe .Lreturn
    mov edx, eax
    jmp event_queue_next
.Ldrop:
    mov dword ptr [eax + CHANNEL_QUEUED], 0
    mov ecx, [eax + CHANNEL_QUEUE_NEXT]
    mov [edx + CHANNEL_QUEUE_NEXT], ecx
    jmp event_queue_next
.Lreturn:
    ret

.assert THREAD_READY < THREAD_RUNNING && THREAD_RUNNING < THREAD_WAITING, "states up to THREAD_RUNNING can run"

.bss

.global event_queue

.align 4
event_queue:                    ; the CHANNEL with the lowest key, or 0
    .space 4
