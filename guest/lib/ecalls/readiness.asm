; What many sockets are ready for, as routines: select, interest and readiness, rings.
;
; Calling rule as in syscall.asm: arguments in EAX, EDX, ECX, result in EAX, negative if it is an error. What the calls do
; is in docs/ecalls-abi.md.

.text

; sys_select: which of these sockets are ready?
;   in    EAX = SELECT, EDX = the last socket that counts, ECX = ticks, 0: do not wait, -1: for ever
;   out   EAX = how many are left in it, or an error
.global sys_select
sys_select:
    push ebx
    mov ebx, SYS_SELECT
    jmp readiness_enter

; sys_interest: which sockets does the program want to know of?
;   in    EAX = socket, EDX = READY_ bits, ECX = data
;   out   EAX = 0, or an error
.global sys_interest
sys_interest:
    push ebx
    mov ebx, SYS_INTEREST
    jmp readiness_enter

; sys_ready: which of those are ready?
;   in    EAX = array of READINESS, EDX = how many it holds, ECX = ticks as sys_select
;   out   EAX = how many it has now, or an error
.global sys_ready
sys_ready:
    push ebx
    mov ebx, SYS_READY
    jmp readiness_enter

; sys_rings: submissions and completions go by these rings.
;   in    EAX = RINGS, or 0
;   out   EAX = 0, or an error
.global sys_rings
sys_rings:
    push ebx
    mov ebx, SYS_RINGS
    jmp readiness_enter

; sys_rings_enter: has submissions taken.
;   in    EAX = how many at most, EDX = completions to wait for
;   out   EAX = how many were, or an error
.global sys_rings_enter
sys_rings_enter:
    push ebx
    mov ebx, SYS_RINGS_ENTER

; readiness_enter: makes a system call.
;   in    EBX = number, EAX, EDX, ECX = arguments; EBX to be kept is on the stack
;   out   EAX = result
readiness_enter:
    push esi
    push edi
    mov esi, edx
    mov edi, ecx
    xchg eax, ebx
    call dword ptr [syscall]
    pop edi
    pop esi
    pop ebx
    ret

; ring_submit: puts a submission into the ring, to be taken by the next sys_rings_enter.
;   in    EAX = RINGS, EDX = SUBMISSION
;   out   CF set: there is no room
.global ring_submit
ring_submit:
    push esi
    push edi
    mov ecx, [eax + RINGS_GIVEN]
    mov esi, ecx
    sub esi, [eax + RINGS_TAKEN]
    cmp esi, RING_SUBMISSIONS
    cmc
    jc .Lreturn
    and ecx, RING_SUBMISSIONS - 1
    imul ecx, ecx, SUBMISSION_SIZE
    lea edi, [eax + RINGS_SUBMISSIONS + ecx]
    mov esi, edx
    mov ecx, SUBMISSION_SIZE / 4
    rep movsd
    inc dword ptr [eax + RINGS_GIVEN]   ; last: only now is it there; CF is clear
.Lreturn:
    pop edi
    pop esi
    ret

; ring_take: takes a completion.
;   in    EAX = RINGS
;   out   EAX = its result, EDX = its data; CF set: there is none
.global ring_take
ring_take:
    mov ecx, [eax + RINGS_HEARD]
    cmp ecx, [eax + RINGS_DONE]
    je .Lnone
    and ecx, RING_COMPLETIONS - 1
    mov edx, [eax + RINGS_COMPLETIONS + ecx * COMPLETION_SIZE + COMPLETION_DATA]
    push dword ptr [eax + RINGS_COMPLETIONS + ecx * COMPLETION_SIZE + COMPLETION_RESULT]
    inc dword ptr [eax + RINGS_HEARD]   ; last: now its place is free
    pop eax
    clc
    ret
.Lnone:
    stc
    ret
