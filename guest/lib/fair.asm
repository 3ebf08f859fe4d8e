; Fair queueing of the processor: start-time fair queueing (Goyal, Guo and Vin, OSDI 1996).
;
; Everybody has a virtual time, the cycles that it has had; who has had least is next. Who has waited for something else
; does not get for that what it did not want, but is put a little ahead of those who have been there (FAIR_CREDIT), so that
; it runs soon. fair_now, where those are, only grows.
;
; Knows nothing of threads. Whoever links it owns the FAIRs, which are all zero to begin with, and calls from one place at
; a time. Calling rule: arguments and results in EAX; EAX, ECX, EDX and the flags may be destroyed, all else is kept.

.text

; fair_wake: somebody new, or who has waited, wants the processor.
;   in    EAX = FAIR, in no queue
.global fair_wake
fair_wake:
    mov ecx, [fair_now]
    mov edx, [fair_now_high]
    sub ecx, FAIR_CREDIT
    sbb edx, 0
    jnc fair_behind
    xor ecx, ecx                ; it has just begun
    xor edx, edx

; fair_behind: likewise, but queues behind a time.
;   in    EAX = FAIR, in no queue; EDX:ECX = virtual time that it has at least
fair_behind:
    cmp [eax + FAIR_VIRTUAL], ecx
    push edx
    mov edx, [eax + FAIR_VIRTUAL_HIGH]
    sbb edx, [esp]
    pop edx
    jnb fair_ready
    mov [eax + FAIR_VIRTUAL], ecx
    mov [eax + FAIR_VIRTUAL_HIGH], edx

; fair_ready: somebody who has run wants to run on; it queues up by its virtual time, behind equals.
;   in    EAX = FAIR, in no queue
.global fair_ready
fair_ready:
    push ebx
    push esi
    push edi
    mov esi, [eax + FAIR_VIRTUAL]
    mov edi, [eax + FAIR_VIRTUAL_HIGH]
    mov edx, fair_first - FAIR_NEXT     ; the queue's head, as if it were the FAIR_NEXT of one
.Lnext:
    mov ecx, [edx + FAIR_NEXT]
    jecxz .Lhere
    cmp esi, [ecx + FAIR_VIRTUAL]
    mov ebx, edi
    sbb ebx, [ecx + FAIR_VIRTUAL_HIGH]
    jb .Lhere
    mov edx, ecx
    jmp .Lnext
.Lhere:
    mov [eax + FAIR_NEXT], ecx
    mov [edx + FAIR_NEXT], eax
    pop edi
    pop esi
    pop ebx
    ret

; fair_yield: somebody who has run lets all others run first, whatever they have had.
;   in    EAX = FAIR, in no queue
.global fair_yield
fair_yield:
    push ebx
    xor ebx, ebx
    mov edx, [fair_first]
    test edx, edx
    jz .Lalone
.Lnext:
    mov ebx, edx
    mov edx, [ebx + FAIR_NEXT]
    test edx, edx
    jnz .Lnext
    mov ecx, [ebx + FAIR_VIRTUAL]
    mov edx, [ebx + FAIR_VIRTUAL_HIGH]
    pop ebx
    jmp fair_behind
.Lalone:
    pop ebx
    jmp fair_ready

; fair_take: who is next?
;   out   EAX = FAIR, not in the queue any more; 0: nobody
.global fair_take
fair_take:
    mov eax, [fair_first]
    test eax, eax
    jz .Lreturn
    mov edx, [eax + FAIR_NEXT]
    mov [fair_first], edx
    mov ecx, [eax + FAIR_VIRTUAL]
    mov edx, [eax + FAIR_VIRTUAL_HIGH]
    cmp [fair_now], ecx
    push edx
    mov edx, [fair_now_high]
    sbb edx, [esp]
    pop edx
    jnb .Lreturn
    mov [fair_now], ecx
    mov [fair_now_high], edx
.Lreturn:
    ret

; fair_run: somebody gets the processor.
;   in    EAX = FAIR
.global fair_run
fair_run:
    mov ecx, eax
    rdtsc
    mov [ecx + FAIR_SINCE], eax
    mov [ecx + FAIR_SINCE_HIGH], edx
    ret

; fair_stop: it has it no more; the time since fair_run is its own.
;   in    EAX = FAIR
.global fair_stop
fair_stop:
    mov ecx, eax
    rdtsc
    sub eax, [ecx + FAIR_SINCE]
    sbb edx, [ecx + FAIR_SINCE_HIGH]
    add [ecx + FAIR_VIRTUAL], eax
    adc [ecx + FAIR_VIRTUAL_HIGH], edx
    ret

; fair_better: is the first in the queue so far ahead that it should run now?
;   in    EAX = FAIR that runs
;   out   CF set: yes
.global fair_better
fair_better:
    mov ecx, [fair_first]
    jecxz .Lno
    push ebx
    mov ebx, eax
    rdtsc
    sub eax, [ebx + FAIR_SINCE]
    sbb edx, [ebx + FAIR_SINCE_HIGH]
    add eax, [ebx + FAIR_VIRTUAL]
    adc edx, [ebx + FAIR_VIRTUAL_HIGH]          ; where it is now
    pop ebx
    sub eax, FAIR_GRAIN
    sbb edx, 0
    jc .Lno                                     ; it has just begun
    cmp [ecx + FAIR_VIRTUAL], eax
    mov ecx, [ecx + FAIR_VIRTUAL_HIGH]
    sbb ecx, edx
    ret
.Lno:
    clc
    ret

.bss

.global fair_first, fair_now, fair_now_high

.align 4
fair_first:                     ; FAIR with the least virtual time of those that want the processor, or 0
    .space 4
fair_now:                       ; the greatest virtual time with which somebody has been taken
    .space 4
fair_now_high:                  ; its upper half
    .space 4
