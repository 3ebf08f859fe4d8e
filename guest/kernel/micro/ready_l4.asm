; The ready queues of `l4`: who can run and does not, by priority.
;
; Owns one ring of threads per priority, and two levels of bits that find the highest with two BSR, however many threads
; there are. The current thread is in no ring, the idle thread never. The decisions are sched_l4.asm's.
;
;     ready_groups   bit g: ready_words[g] is not 0
;     ready_words    bit p of all 256: ready_rings[p] is not 0
;     ready_rings    of each priority the thread that runs next, or 0
;                        first <-KTCB_NEXT, KTCB_PREV-> second <-> ... <-> last <-> first

.include "policy_l4.inc"

.equ PRIORITIES, PRIORITY_TOP + 1
.equ WORD_SHIFT, 5              ; 32 priorities in a word

.text

; ready_last: a thread queues up, behind all others of its priority.
;   in    EAX = KTCB, in no queue
;   out   EAX kept
.global ready_last
ready_last:
    mov dword ptr [eax + POLICY_READY], 1
    mov ecx, [eax + POLICY_PRIORITY]
    mov edx, [ready_rings + ecx * 4]
    test edx, edx
    jz .Lonly
    ; The last one stands before the first.
    mov ecx, [edx + KTCB_PREV]
    mov [eax + KTCB_NEXT], edx
    mov [eax + KTCB_PREV], ecx
    mov [edx + KTCB_PREV], eax
    mov [ecx + KTCB_NEXT], eax
    ret
.Lonly:
    mov [eax + KTCB_NEXT], eax
    mov [eax + KTCB_PREV], eax
    mov [ready_rings + ecx * 4], eax
    bts dword ptr [ready_words], ecx            ; finds the right word itself
    shr ecx, WORD_SHIFT
    bts dword ptr [ready_groups], ecx
    ret

; ready_first: a thread queues up, before all others of its priority.
;   in    EAX = KTCB, in no queue
;   out   EAX kept
.global ready_first
ready_first:
    call ready_last
    mov ecx, [eax + POLICY_PRIORITY]
    mov [ready_rings + ecx * 4], eax            ; the ring begins one further back: the last is the first
    ret

; ready_leave: a thread leaves its queue.
;   in    EAX = KTCB, POLICY_READY
;   out   EAX kept
.global ready_leave
ready_leave:
    mov dword ptr [eax + POLICY_READY], 0
    mov ecx, [eax + POLICY_PRIORITY]
    mov edx, [eax + KTCB_NEXT]
    cmp edx, eax
    je .Lonly
    cmp [ready_rings + ecx * 4], eax
    jne .Lunlink
    mov [ready_rings + ecx * 4], edx
.Lunlink:
    mov ecx, [eax + KTCB_PREV]
    mov [ecx + KTCB_NEXT], edx
    mov [edx + KTCB_PREV], ecx
    ret
.Lonly:
    mov dword ptr [ready_rings + ecx * 4], 0
    btr dword ptr [ready_words], ecx
    shr ecx, WORD_SHIFT
    cmp dword ptr [ready_words + ecx * 4], 0
    jne .Lreturn
    btr dword ptr [ready_groups], ecx
.Lreturn:
    ret

; ready_highest: the first of the highest priority. It stays in its queue.
;   out   EAX = KTCB, idle_ktcb if nobody is ready
.global ready_highest
ready_highest:
    bsr ecx, [ready_groups]
    jz .Lidle
    bsr edx, [ready_words + ecx * 4]
    shl ecx, WORD_SHIFT
    add ecx, edx
    mov eax, [ready_rings + ecx * 4]
    ret
.Lidle:
    mov eax, idle_ktcb
    ret

.bss

.global ready_groups, ready_words, ready_rings

.align 4
ready_groups:                   ; as drawn above
    .space 4
ready_words:
    .space PRIORITIES >> 3
ready_rings:
    .space PRIORITIES * 4
