; Events of the kernel: what they do.
;
; Owns the order of delivery: handlers first, which may decide that this was all, then what others notice. An extension puts
; the event's data into the channel's segment (segment_put), and raises the event here: in a system call, at an interrupt,
; from the midst of the network. While a handler runs, no other one begins: the event is heard when that has ended.

.include "ecalls.inc"

.text

; event_raise: an event for the owner of a channel.
;   in    EAX = CHANNEL, EDX = key: its priority, the lowest comes first; ECX = value, for handlers and signals
;
; Of the events that are raised for one channel while a handler runs, handlers hear once, with the latest value; the
; channel's segment has all of them.
.global event_raise
event_raise:
    mov [eax + CHANNEL_KEY], edx
    mov [eax + CHANNEL_VALUE], ecx
    test dword ptr [eax + CHANNEL_METHODS], METHOD_KERNEL | METHOD_USER
    jz event_tell
    cmp dword ptr [handler_running], 0
    jne event_later

; event_now: the same, if no handler runs, or none is wanted.
;   in    EAX = CHANNEL
event_now:
    push ebx
    mov ebx, eax
    test dword ptr [ebx + CHANNEL_METHODS], METHOD_KERNEL
    jz .Luser
    call handler_kernel
    test eax, FILTER_PASS
    jnz .Luser
    test dword ptr [ebx + CHANNEL_METHODS], METHOD_FILTER
    jnz .Lend
.Luser:
    test dword ptr [ebx + CHANNEL_METHODS], METHOD_USER
    jz .Ltell
    mov eax, ebx
    call handler_user
    test eax, FILTER_PASS
    jnz .Ltell
    test dword ptr [ebx + CHANNEL_METHODS], METHOD_FILTER
    jnz .Lend
.Ltell:
    mov eax, ebx
    pop ebx
    jmp event_tell
.Lend:
    pop ebx
    ret

; event_tell: what an event does besides handlers.
;   in    EAX = CHANNEL
event_tell:
    push ebx
    mov ebx, eax
    test dword ptr [ebx + CHANNEL_METHODS], METHOD_SIGNAL
    jz .Lthread
    mov eax, [ebx + CHANNEL_OWNER]
    mov edx, [ebx + CHANNEL_SIGNAL]
    mov ecx, [ebx + CHANNEL_VALUE]
    call signal_queue
.Lthread:
    test dword ptr [ebx + CHANNEL_METHODS], METHOD_THREAD
    jz .Lqueue
    inc dword ptr [ebx + CHANNEL_WORK]
    mov eax, [ebx + CHANNEL_THREAD]
    call wait_wake
.Lqueue:
    test dword ptr [ebx + CHANNEL_METHODS], METHOD_QUEUE
    jz event_queued
    mov eax, ebx
    mov edx, [ebx + CHANNEL_KEY]
    call event_queue_add
event_queued:
    cmp dword ptr [ebx + CHANNEL_WAITING], 0
    je .Lreturn
    mov eax, [ebx + CHANNEL_OWNER]
    call wait_wake
.Lreturn:
    pop ebx
    ret

; event_later: remembers an event until no handler runs.
;   in    EAX = CHANNEL
event_later:
    cmp dword ptr [eax + CHANNEL_RAISED], 0
    jne .Lreturn
    mov dword ptr [eax + CHANNEL_RAISED], 1
    mov edx, [raised]
    mov [eax + CHANNEL_RAISED_NEXT], edx
    mov [raised], eax
    bts dword ptr [bottom_halves], BOTTOM_EVENTS
.Lreturn:
    ret

; event_again: a bottom half: events that had to wait for a handler.
.global event_again
event_again:
    mov eax, [raised]
    test eax, eax
    jz .Lreturn
    mov edx, [eax + CHANNEL_RAISED_NEXT]
    mov [raised], edx
    mov dword ptr [eax + CHANNEL_RAISED], 0
    call event_now
    jmp event_again
.Lreturn:
    ret

; event_forget: a channel ends: no event waits for it any more.
;   in    EBX = CHANNEL
.global event_forget
event_forget:
    mov edx, raised - CHANNEL_RAISED_NEXT       ; as if it were the CHANNEL_RAISED_NEXT of one
.Lnext:
    mov ecx, [edx + CHANNEL_RAISED_NEXT]
    jecxz .Lreturn
    cmp ecx, ebx
    je .Lfound
    mov edx, ecx
    jmp .Lnext
.Lfound:
    mov ecx, [ebx + CHANNEL_RAISED_NEXT]
    mov [edx + CHANNEL_RAISED_NEXT], ecx
.Lreturn:
    ret

.bss

.align 4
raised:                         ; the CHANNELs whose events wait for a handler, latest first, by CHANNEL_RAISED_NEXT; or 0
    .space 4
