; Finite timeouts of `l4`.
;
; Owns the ring of threads that wait with one, earliest end first. The idle thread stands in it for good, before the
; first and behind the last: it is the head. A tick looks at one thread unless it wakes some; who sets a timeout walks
; back from the latest end, so it passes the threads that end later, and none if all wait equally long.
;
;     idle_ktcb <-POLICY_WAKE_PREV, POLICY_WAKE_NEXT-> first <-> second <-> ... <-> last <-> idle_ktcb
;
; Times are in us since the start, 64 bits wide: they do not wrap.

.include "policy_l4.inc"

.text

; timeout_init: nobody waits.
.global timeout_init
timeout_init:
    mov eax, idle_ktcb                          ; its POLICY_WAKE is 0: nothing ends earlier
    mov [eax + POLICY_WAKE_NEXT], eax
    mov [eax + POLICY_WAKE_PREV], eax
    ret

; timeout_start: a thread that has just begun to wait does so for a limited time.
;   in    EAX = KTCB, EDX = timeout of 16 bits, finite and not TIMEOUT_ZERO
;   out   CF set: such a timeout is not offered
;
; The wait ends at the first tick by which the time has certainly passed. The clock stands at the last tick, as much as
; a tick ago, so a tick is added.
.global timeout_start
timeout_start:
    test edx, TIMEOUT_POINT
    jnz .Lnot_offered
    push ebx
    push esi

    ; The end, in EBX:EDX: mantissa << exponent, at most 41 bits, from now on.
    mov ecx, edx
    shr ecx, TIMEOUT_EXPONENT_SHIFT
    and edx, TIMEOUT_MANTISSA
    xor ebx, ebx
    shld ebx, edx, cl
    shl edx, cl
    add edx, (TICK_NS + 999) / 1000
    adc ebx, 0
    add edx, [kip + KIP_CLOCK_LOW]
    adc ebx, [kip + KIP_CLOCK_HIGH]
    mov [eax + POLICY_WAKE], edx
    mov [eax + POLICY_WAKE_HIGH], ebx

    ; Its place is behind the last one, ESI, that does not end later.
    mov esi, idle_ktcb
.Lback:
    mov esi, [esi + POLICY_WAKE_PREV]
    mov ecx, ebx
    cmp edx, [esi + POLICY_WAKE]
    sbb ecx, [esi + POLICY_WAKE_HIGH]
    jb .Lback
    mov ecx, [esi + POLICY_WAKE_NEXT]
    mov [eax + POLICY_WAKE_PREV], esi
    mov [eax + POLICY_WAKE_NEXT], ecx
    mov [esi + POLICY_WAKE_NEXT], eax
    mov [ecx + POLICY_WAKE_PREV], eax
    mov dword ptr [eax + POLICY_PENDING], 1
    pop esi
    pop ebx
    ret                                         ; CF is clear since the comparison
.Lnot_offered:
    stc
    ret

; timeout_stop: a thread's wait has ended, or never was limited.
;   in    EAX = KTCB
;   out   EAX kept
.global timeout_stop
timeout_stop:
    cmp dword ptr [eax + POLICY_PENDING], 0
    je .Lreturn
    mov dword ptr [eax + POLICY_PENDING], 0
    mov ecx, [eax + POLICY_WAKE_NEXT]
    mov edx, [eax + POLICY_WAKE_PREV]
    mov [ecx + POLICY_WAKE_PREV], edx
    mov [edx + POLICY_WAKE_NEXT], ecx
.Lreturn:
    ret

; timeout_tick: the waits whose time has passed end.
;   in    EAX = KTCB of who has the processor so far
;   out   EAX = KTCB of who gets it
.global timeout_tick
timeout_tick:
    push ebp
    mov ebp, eax
.Lfirst:
    mov eax, [idle_ktcb + POLICY_WAKE_NEXT]
    cmp eax, idle_ktcb
    je .Lreturn
    mov ecx, [kip + KIP_CLOCK_LOW]
    mov edx, [kip + KIP_CLOCK_HIGH]
    cmp ecx, [eax + POLICY_WAKE]
    sbb edx, [eax + POLICY_WAKE_HIGH]
    jb .Lreturn                                 ; the others end later still
    mov edx, IPC_TIMEOUT
    cmp dword ptr [eax + KTCB_STATE], IS_SENDING
    je .Lphase
    mov edx, IPC_TIMEOUT | IPC_RECEIVE_PHASE
.Lphase:
    push eax
    call ipc_fail                               ; takes it out of the ring, too
    pop eax
    call sched_wake
    mov ebp, eax
    jmp .Lfirst
.Lreturn:
    mov eax, ebp
    pop ebp
    ret
