; The watchdog: what becomes of threads whose scheduler fails. The root scheduler takes them over.
;
; A scheduler fails when it ends or faults, which the root task sees at once; and when it has the processor and does
; not dispatch. That shows when it loses the processor, at a tick: so it lets us see a WATCH of its own (ROOT_WATCH). Two
; things condemn it:
;
;     it has been thinking whom to dispatch for more than a share of a tick (WATCH_SINCE, WATCH_SHARE)
;     it has had half a tick or more, and has dispatched nobody (WATCH_DISPATCHES, WATCH_TURN), whatever it says
;
; The first is found at the next tick after its share is over, within a tick of that. The second is for one that is stuck
; where it does not say so: found at the end of the next turn that it gets. Both count the time that it had in this turn
; alone. A scheduler with nobody to dispatch waits for a message instead.
;
; In the kernel it is one call: with the new scheduler, the preemptions that wait at the old one come to us.

.include "lib/micro/user.inc"

.text

; watchdog_watch: request ROOT_WATCH.
;   in    EBP = client, EBX = address of its WATCH, or 0
.global watchdog_watch
watchdog_watch:
    test dword ptr [features], KIP_ULS
    jz client_refuse
    xor eax, eax
    test ebx, ebx
    jz .Lset
    test ebx, WATCH_SIZE - 1        ; it does not lie across pages
    jnz client_refuse
    mov eax, [ebp + CLIENT_PROGRAM]
    mov edx, ebx
    and edx, PAGE_MASK
    call lease_find
    jc client_refuse
    and ebx, PAGE_SIZE - 1
    add eax, ebx
.Lset:
    mov [ebp + CLIENT_WATCH], eax
    mov eax, 1
    jmp client_answer

; watchdog_note: a client gets the processor.
;   in    EAX = client, kept
.global watchdog_note
watchdog_note:
    mov ecx, [eax + CLIENT_WATCH]
    jecxz .Lreturn
    mov edx, [ecx + WATCH_DISPATCHES]
    mov [eax + CLIENT_COUNT], edx
    mov edx, [ecx + WATCH_SINCE]
    mov [eax + CLIENT_SINCE], edx
    push eax
    rdtsc
    mov [granted], eax
    pop eax
.Lreturn:
    ret

; watchdog_look: a client has lost the processor.
;   in    EAX = client, kept
.global watchdog_look
watchdog_look:
    cmp eax, [current]
    jne .Lreturn
    mov ecx, [eax + CLIENT_WATCH]
    jecxz .Lreturn
    mov edx, [ecx + WATCH_DISPATCHES]
    cmp [eax + CLIENT_COUNT], edx
    jne .Lthinks
    mov edx, [granted]
    call watchdog_elapsed
    imul edx, edx, WATCH_TURN
    jo .Lfailed
    cmp edx, [ticks_cycles]
    ja .Lfailed
.Lthinks:
    mov edx, [ecx + WATCH_SINCE]
    test edx, edx
    jz .Lreturn
    cmp [eax + CLIENT_SINCE], edx
    jne .Lthis_turn
    mov edx, [granted]              ; it began before this turn, and had to wait for it
.Lthis_turn:
    call watchdog_elapsed
    imul edx, edx, WATCH_SHARE
    jo .Lfailed
    cmp edx, [ticks_cycles]
    ja .Lfailed
.Lreturn:
    ret

    ; It is a thread like any other from now on.
.Lfailed:
    mov dword ptr [eax + CLIENT_WATCH], 0
    push eax
    mov eax, [eax + CLIENT_PROGRAM]
    call program_name
    mov eax, text_failed
    call print_string
    mov eax, [esp]
    call watchdog_adopt
    pop eax
    ret

; watchdog_elapsed: how long ago?
;   in    EDX = since when, by RDTSC, the low half
;   out   EDX = cycles; EAX, ECX kept
watchdog_elapsed:
    push eax
    push edx
    rdtsc
    pop edx
    sub edx, eax
    neg edx
    pop eax
    ret

; watchdog_adopt: the root scheduler takes over the threads that a client schedules.
;   in    EAX = client
;   out   EAX = how many
.global watchdog_adopt
watchdog_adopt:
    push ebx
    push esi
    push edi
    mov esi, [eax + CLIENT_ID]
    mov ebx, [clients_first]
    xor edi, edi
.Lclient:
    cmp ebx, [clients_end]
    jae .Ldone
    cmp dword ptr [ebx + CLIENT_ID], 0
    je .Lnext
    cmp [ebx + CLIENT_SCHEDULER], esi
    jne .Lnext
    mov eax, ebx
    mov edx, ROOT_TASK
    call client_schedule
    inc edi
.Lnext:
    add ebx, CLIENT_SIZE
    jmp .Lclient
.Ldone:
    mov eax, edi
    pop edi
    pop esi
    pop ebx
    ret

.rodata

text_failed:
    .asciz ": its scheduler dispatches nobody: the root scheduler takes over\n"

.bss

.align 4
granted:                            ; RDTSC when the current client got the processor, the low half
    .space 4
