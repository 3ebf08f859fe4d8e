; The watchdog: what becomes of threads whose scheduler fails. The root scheduler takes them over.
;
; A scheduler fails when it ends or faults, which the root task sees at once; and when it has the processor and does
; not dispatch. For that a scheduler counts its dispatches in a word of its own, and tells us where (ROOT_WATCH): one
; that has been given the processor at a tick, and at the next has still not counted, has failed. So it costs those
; that it schedules less than two ticks of their scheduler's time: the rest of the one in which it got stuck, for which
; we cannot blame it yet, and another one. A scheduler with nobody to dispatch waits for a message instead.
;
; In the kernel it is one call: with the new scheduler, the preemptions that wait at the old one come to us.

.include "lib/micro/user.inc"

.text

; watchdog_watch: request ROOT_WATCH.
;   in    EBP = client, EBX = address of its count, or 0
.global watchdog_watch
watchdog_watch:
    test dword ptr [features], KIP_ULS
    jz client_refuse
    xor eax, eax
    test ebx, ebx
    jz .Lset
    test ebx, 3                     ; a word does not lie across pages
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

; watchdog_note: a client gets the processor. A whole tick is before it if one has just come.
;   in    EAX = client, kept
.global watchdog_note
watchdog_note:
    mov ecx, [ticks_new]
    mov [whole], ecx
    mov ecx, [eax + CLIENT_WATCH]
    jecxz .Lreturn
    mov ecx, [ecx]
    mov [eax + CLIENT_COUNT], ecx
.Lreturn:
    ret

; watchdog_look: a client has lost the processor.
;   in    EAX = client, kept
.global watchdog_look
watchdog_look:
    cmp dword ptr [ticks_new], 0    ; it has had a whole tick?
    je .Lreturn
    cmp dword ptr [whole], 0
    je .Lreturn
    cmp eax, [current]
    jne .Lreturn
    mov ecx, [eax + CLIENT_WATCH]   ; and is watched, and has not dispatched?
    jecxz .Lreturn
    mov ecx, [ecx]
    cmp [eax + CLIENT_COUNT], ecx
    je .Lfailed
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
whole:                              ; not 0: the current client got the processor right behind a tick
    .space 4
