; The extension `probe`: the smallest that uses everything. What crossings cost is measured with it: whoever calls it learns
; the number of the calling process, and an event makes handlers look up a word of memory, as in table 1 of the paper.
;
; Its generic system call with ESI = 0 answers the caller's number. Otherwise it raises an event with value EDI for process
; ESI, with the number of its calls as key. The value says what the kernel handler does: see Probe in guest/abi/ecalls.py.

.include "ecalls.inc"

.text

; probe_fast: SERVICE_FAST: who the caller is; with the argument PROBE_HEARD what was heard of it: the sum of the events that
; it deferred, and how often its thread has run. With PROBE_FULL, it asks for all that can be asked for.
probe_fast:
    cmp edx, PROBE_HEARD
    je .Lheard
    cmp edx, PROBE_FULL
    je .Lfull
    mov eax, [eax + CHANNEL_OWNER]
    mov eax, [eax + TCB_NUMBER]
    xor edx, edx
    ret
.Lheard:
    mov eax, [eax + CHANNEL_PRIVATE]
    xor edx, edx
    ret
.Lfull:
    mov edx, RUN_SYSCALL | RUN_BOTTOM_HALVES | NEED_RESCHED | SIGNALS_PENDING
    ret

; probe_call: SERVICE_CALL.
probe_call:
    test eax, eax
    jnz .Lraise
    CURRENT eax
    mov eax, [eax + TCB_NUMBER]
    ret
.Lraise:
    push edx
    call process_find
    pop ecx
    jc .Lnone
    call probe_channel
    jc .Lnone
    push eax
    push ecx
    mov edx, esp
    mov ecx, [esp]
    and ecx, PROBE_SLOTS - 1
    call segment_put
    pop ecx
    pop eax
    mov edx, [probe_calls]
    inc dword ptr [probe_calls]
    call event_raise
    xor eax, eax
    ret
.Lnone:
    mov eax, ERR_PROCESS
    ret

; probe_channel: a channel of a process for one of our services.
;   in    EAX = PCB
;   out   EAX = CHANNEL, ECX kept; CF set: there is none
probe_channel:
    push ebx
    mov ebx, eax
    mov edx, probe_services
.Lnext:
    mov eax, ebx
    call channel_of
    jnc .Lreturn
    add edx, SERVICE_SIZE
    cmp edx, probe_services_end
    jb .Lnext
    stc
.Lreturn:
    pop ebx
    ret

; probe_deferred: SERVICE_DEFERRED: takes the events, whose entries are words, and adds them up in CHANNEL_PRIVATE.
probe_deferred:
    push ebx
    mov ebx, eax
.Lnext:
    mov eax, ebx
    call segment_take
    jc .Lreturn
    mov eax, [eax]
    add [ebx + CHANNEL_PRIVATE], eax
    jmp .Lnext
.Lreturn:
    pop ebx
    ret

; probe_handler: SERVICE_HANDLER.
probe_handler:
    cmp edx, PROBE_SPIN
    je .Lspin
    cmp edx, PROBE_FAULT
    je .Lfault
    cmp edx, PROBE_RAISE
    je .Lraise
    mov eax, [probe_word]
    and eax, FILTER_PASS
    ret
.Lspin:
    jmp .Lspin
.Lfault:
    mov eax, [PROBE_FAULT]      ; near address 0: no page is there
    ret
.Lraise:
    xor edx, edx
    xor ecx, ecx
    call event_raise            ; heard when this handler has ended
    mov eax, FILTER_PASS
    ret

; probe_thread: SERVICE_THREAD: looks the word up, and waits a tick, as only a thread can.
probe_thread:
    inc dword ptr [eax + CHANNEL_PRIVATE]
    mov ebx, 1
    mov ecx, NO_SOCKET
    jmp wait

; PROBE name, organization, handler, thread: a SERVICE, with data segments organized like that.
.macro PROBE name, organization, handler=0, thread=0
    .rodata
name_\@:
    .asciz "\name"
    .data
service_\@:
    .long 0, name_\@
    .long probe_fast, probe_call, probe_deferred, \handler, \thread
    .long 0, 0
    .long \organization, 4, PROBE_SLOTS
    .long \organization, 4, PROBE_SLOTS
.assert . - service_\@ == SERVICE_SIZE, "a SERVICE has that many words"
.endm

.data

.global probe_services, probe_services_end

.align 4
probe_services:                 ; SERVICEs: `probe` itself, and for each other organization one without handlers of ours
    PROBE probe, DATA_RING, probe_handler, probe_thread
    PROBE probe-next, DATA_NEXT
    PROBE probe-priority, DATA_PRIORITY
    PROBE probe-type, DATA_TYPE
probe_services_end:

probe_word:                     ; what handlers look up
    .long FILTER_PASS

.bss

.align 4
probe_calls:                    ; events raised
    .space 4
