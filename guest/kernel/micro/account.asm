; Accounting, if EXTENSIONS has KIP_ACCOUNTING: whose cycle was it?
;
; Owns the law that no cycle is lost. Each belongs to the thread that was the current one, in user mode or in the
; kernel: as used, if it ran on its own grant, or as donated, if on another one's. What all threads have used and what
; was donated to them, the idle thread among them, and account_gone, which is the same of those that are no more, adds
; up to the cycles from account_start to account_last, the last change of the current thread.
;
; A grant is what a scheduler gives with its message, or what comes without anybody's waiting: by an interrupt, or by
; the choice of one who could have gone on himself. Whoever waits for another one, and is not its scheduler, donates:
; that one goes on with the grant that he had.

.include "micro.inc"

.if EXTENSIONS & KIP_ACCOUNTING

.text

; account_init: the first cycle that counts. It is the root scheduler's.
.global account_init
account_init:
    rdtsc
    mov [account_start], eax
    mov [account_start_high], edx
    mov [account_last], eax
    mov [account_last_high], edx
    mov eax, [root_scheduler]
    mov [account_owner], eax
    ret

; account_switch: the current thread loses the processor, and pays for the cycles up to now.
;   in    EBP = its KTCB, EAX = KTCB of the one who gets it, another one
;   out   EAX kept
.global account_switch
account_switch:
    cmp dword ptr [account_donates], 0
    mov dword ptr [account_donates], 0
    jne account_donate
    push eax
    call account_charge
    pop eax
account_grant:
    mov [account_owner], eax
    ret

; account_donate: likewise, where the current thread waits, and the other one goes on in its place.
;   in    EBP, EAX
;   out   EAX kept
.global account_donate
account_donate:
    push eax
    call account_charge
    pop eax
    cmp [eax + KTCB_SCHEDULER], ebp
    je account_grant
    ret

; account_charge: the current thread pays for the cycles up to now.
;   in    EBP = its KTCB
account_charge:
    rdtsc
    sub eax, [account_last]
    sbb edx, [account_last_high]
    add [account_last], eax
    adc [account_last_high], edx
    cmp [account_owner], ebp
    jne .Ldonated
    add [ebp + KTCB_USED_LOW], eax
    adc [ebp + KTCB_USED_HIGH], edx
    ret
.Ldonated:
    add [ebp + KTCB_DONATED_LOW], eax
    adc [ebp + KTCB_DONATED_HIGH], edx
    ret

; account_close: a thread ends.
;   in    EDI = KTCB
.global account_close
account_close:
    mov eax, [edi + KTCB_USED_LOW]
    mov edx, [edi + KTCB_USED_HIGH]
    add eax, [edi + KTCB_DONATED_LOW]
    adc edx, [edi + KTCB_DONATED_HIGH]
    add [account_gone], eax
    adc [account_gone_high], edx
    cmp [account_owner], edi
    jne .Lreturn
    mov dword ptr [account_owner], 0
.Lreturn:
    ret

; account_end: if a thread has ended itself, its last cycles are with the others that are gone.
;   in    EBP = idle_ktcb if it has
.global account_end
account_end:
    cmp ebp, idle_ktcb
    jne .Lreturn
    rdtsc
    sub eax, [account_last]
    sbb edx, [account_last_high]
    add [account_last], eax
    adc [account_last_high], edx
    add [account_gone], eax
    adc [account_gone_high], edx
.Lreturn:
    ret

.bss

.global account_start, account_last, account_gone, account_donates

.align 4
account_start:                  ; RDTSC when accounting began
    .space 4
account_start_high:
    .space 4
account_last:                   ; RDTSC up to which everything is charged
    .space 4
account_last_high:
    .space 4
account_gone:                   ; cycles of threads that are no more
    .space 4
account_gone_high:
    .space 4
account_owner:                  ; KTCB of the thread on whose grant the current one runs, 0 if that is no more
    .space 4
account_donates:                ; 1: the switch that comes is in favour of the current thread, which waits
    .space 4

.endif
