; The watchdog: the root task's first thread. It makes the others, serves their faults, and when a tick has come it ends
; one of them and makes it anew, or does something else to it. In `uls` it is the scheduler, round robin.

.include "random.inc"

TICK_TIMEOUT = 100                                      ; us: in `l4` nobody sends ticks
QUANTUM = 2                                             ; ticks
DEEDS = 3                                               ; at a tick
REPLY_NEVER = TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT        ; nobody is waited for with an answer
REPLY_ZERO = REPLY_NEVER | TIMEOUT_ZERO                 ; and no message either
REPLY_TICK = REPLY_NEVER | TICK_TIMEOUT
GIFTS = 64                                              ; frames of one-to-one memory that are given away
TIMER = 0 << ID_SHIFT | 1                               ; the timer's interrupt thread
PREEMPTED_MAX = 64

.text

; _start: the root task.
;   in    EAX = KIP_ features
.global _start
_start:
    mov esp, watchdog_stack_top
    UTCB ecx
    mov dword ptr [ecx + UTCB_HANDLE], SEED
    mov dword ptr [ecx + UTCB_BR0], 0
    mov dword ptr [timeouts], REPLY_TICK
    mov dword ptr [patience], TIMEOUT_SOON
    test eax, KIP_ULS
    jz .Lstacks
    mov dword ptr [timeouts], REPLY_NEVER
    mov dword ptr [patience], TIMEOUT_NEVER
    mov ebx, TIMER              ; attach the timer
    mov ecx, ebx
    xor edx, edx
    mov esi, ROOT
    mov eax, L4_THREAD_CONTROL
    int VECTOR_SYSCALL
.Lstacks:
    xor ecx, ecx
.Lstack:
    mov eax, ecx
    inc eax
    shl eax, 12
    add eax, private_stacks
    cmp byte ptr [groups + ecx], 0
    je .Lkeep
    mov eax, ecx
    shl eax, SCRATCH_SHIFT
    add eax, scratch + 0x1000
.Lkeep:
    mov [stacks + ecx * 4], eax
    inc ecx
    cmp ecx, THREADS
    jb .Lstack
    xor esi, esi
.Lmake:
    mov eax, esi
    call revive
    inc esi
    cmp esi, THREADS
    jb .Lmake
    xor eax, eax
    jmp serve

; serve: answers one message, and takes the next.
;   in    EAX = whom to answer, ESI, EBX, EDI = with what; EAX = NIL_THREAD: nobody
serve:
    mov ecx, [timeouts]
serve_within:
    mov edx, ANY_THREAD
    mov [answer_to], eax
    mov [answer_tag], esi
    mov [answer_first], ebx
    mov [answer_second], edi
    UTCB ebp
    mov dword ptr [ebp + UTCB_BR0], 0
    inc dword ptr [rounds]
    call KIP_CODE
    UTCB ebp
    test esi, TAG_ERROR
    jnz .Lfailed
    mov [from], eax
    mov edx, esi
    shr edx, LABEL_SHIFT
    cmp edx, LABEL_EXCEPTION
    je exception
    cmp edx, LABEL_PREEMPTION
    je preemption
    cmp edx, LABEL_INTERRUPT
    je interrupt
    cmp edx, LABEL_IDLE
    je idle
    and edx, 0xFFF0
    cmp edx, LABEL_PAGE_FAULT
    je page_fault
    call random                 ; from a caller itself: an answer now and then
    test eax, 1
    jz others
    mov eax, [from]
    xor esi, esi
    jmp serve
.Lfailed:
    cmp dword ptr [ebp + UTCB_ERROR], IPC_OVERFLOW
    je .Lno_memory
    test byte ptr [ebp + UTCB_ERROR], IPC_RECEIVE_PHASE
    jz others                   ; he was not there
    cmp dword ptr [timeouts], REPLY_NEVER
    je dispatch                 ; no more messages wait
    call tick

.Lno_memory:                    ; for a map: somebody is ended, to live again later, and what he had is free
    call caller_index
    mov ebx, [ids + eax * 4]
    xor ecx, ecx
    mov eax, L4_THREAD_CONTROL
    int VECTOR_SYSCALL
    mov eax, [answer_to]
    mov esi, [answer_tag]
    mov ebx, [answer_first]
    mov edi, [answer_second]
    jmp serve

; others: takes the next message, if there is one. If not, there is time for those who have lost the processor.
others:
    xor eax, eax
    cmp dword ptr [timeouts], REPLY_NEVER
    jne serve                   ; in `l4` that is not our business
    mov ecx, REPLY_ZERO
    jmp serve_within

; dispatch: one of those who have lost the processor gets it.
dispatch:
    mov ecx, [preempted_first]
    xor eax, eax
    cmp ecx, [preempted_last]
    je .Lnone
    mov edx, ecx
    and edx, PREEMPTED_MAX - 1
    mov eax, [preempted + edx * 4]
    inc ecx
    mov [preempted_first], ecx
.Lnone:
    xor esi, esi
    jmp serve

; preemption: somebody has lost the processor. In `l4` its quantum is used up: it gets another.
preemption:
    cmp dword ptr [timeouts], REPLY_NEVER
    je .Lqueue
    mov ebx, eax
    or ecx, -1
    mov edx, QUANTUM
    mov esi, ecx
    mov eax, L4_SCHEDULE
    int VECTOR_SYSCALL
    mov eax, [from]
    xor esi, esi
    jmp serve
.Lqueue:
    mov ecx, [preempted_last]
    mov edx, ecx
    sub edx, [preempted_first]
    cmp edx, PREEMPTED_MAX
    je others                   ; full of such as are dead
    and ecx, PREEMPTED_MAX - 1
    mov [preempted + ecx * 4], eax
    inc dword ptr [preempted_last]
    jmp others

; interrupt: the timer's, or an impostor's.
interrupt:
    cmp eax, TIMER
    jne others
    xor edx, edx                ; unmask
    mov ecx, REPLY_NEVER
    xor esi, esi
    call KIP_CODE
    call tick
    jmp others

; idle: nobody can run.
idle:
    call caller_index
    call revive
    jmp others

; exception: he begins anew, or as another one.
exception:
    call random
    test eax, 3
    jz end_him
    UTCB ebp
    mov edi, [ebp + UTCB_MR2]   ; where the registers' words have been put
    mov ebx, caller
    mov esi, STATE_WORDS
    mov eax, [from]
    jmp serve

; page_fault: a page of this program, if it is one for him.
;   in    EBX = address, ESI = tag
page_fault:
    mov edi, ebx
    and edi, ~0xFFF
    test esi, FAULT_WRITE << LABEL_SHIFT
    jnz .Lscratch               ; nothing before that may be written
    cmp ebx, __text_start
    jb .Lelsewhere
    cmp ebx, __rodata_end
    jae .Lshared
    or edi, PAGE_RX
    jmp .Lmap
.Lshared:
    mov eax, ebx
    sub eax, shared
    cmp eax, 0x1000
    jae .Lscratch
    or edi, 12 << FPAGE_SHIFT | FPAGE_READ
    jmp .Lmap
.Lscratch:
    mov eax, ebx
    sub eax, scratch
    cmp eax, THREADS * SCRATCH_SIZE
    jb .Lwritable
    mov eax, ebx
    sub eax, witness_pages
    cmp eax, WITNESS_PAGES * 0x1000
    jae .Lelsewhere
    mov eax, [from]
    cmp eax, [ids]
    je .Lwritable
    cmp eax, [ids + 4]
    jne .Lelsewhere
.Lwritable:
    or edi, PAGE_RWX
.Lmap:
    and ebx, ~0xFFF
    or ebx, ITEM_MAP
    mov eax, [from]
    mov esi, 2 << TAG_TYPED_SHIFT
    jmp serve

    ; Something of the memory that belongs to nobody, or his end.
.Lelsewhere:
    call random
    test eax, 1
    jz end_him
    test eax, 6
    jz others                   ; he may wait
    test eax, 0x1F00
    jz .Leverything
    mov edi, eax
    shr edi, 16
    mov eax, GIFTS
    call below
    shl eax, 12
    add eax, [KIP_BASE + KIP_MEMORY]
    and eax, ~0xFFF
    and edi, FPAGE_RIGHTS
    or edi, eax
    or edi, 12 << FPAGE_SHIFT
    jmp .Lmap

    ; All that we have, memory that is still nobody's included, to be read; so much that the kernel may run out of memory.
.Leverything:
    mov ebx, ITEM_MAP
    mov edi, FPAGE_COMPLETE | FPAGE_READ
    mov eax, [from]
    mov esi, 2 << TAG_TYPED_SHIFT
    jmp serve

; end_him: ends the thread that the last message came from, if it is a caller, and makes it anew.
end_him:
    mov eax, [from]
    shr eax, ID_SHIFT
    sub eax, WITNESS + CALLER
    cmp eax, THREADS - CALLER
    jae others
    add eax, CALLER
    call revive
    jmp others

; caller_index: a random caller.
;   out   EAX
caller_index:
    mov eax, THREADS - CALLER
    call below
    add eax, CALLER
    ret

; tick: something happens to some.
tick:
    push ebx
    push esi
    push edi
    push ebp
    inc dword ptr [ticks]
    push DEEDS
deed:
    dec dword ptr [esp]
    js .Ldone
    call caller_index
    mov edi, eax
    mov ebx, [ids + eax * 4]
    call random
    mov ebp, eax
    and eax, 7
    jmp dword ptr [deeds + eax * 4]
.Ldone:
    add esp, 4
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret
deed_scheduler:                 ; it gets another scheduler
    mov ecx, ebx
    mov edx, ROOT
    cmp byte ptr [groups + edi], 0
    je .Lcall                   ; who may set its EIP would have our privileges
    test ebp, 0x30000
    jnz .Lcall
    call caller_id
    mov edx, eax
.Lcall:
    mov esi, ROOT
    mov eax, L4_THREAD_CONTROL
    int VECTOR_SYSCALL
    jmp deed
deed_version:                   ; it becomes another one
    mov ecx, ebx
    add ebx, 64                 ; a new version
    mov edx, ROOT
    mov esi, ROOT
    mov eax, L4_THREAD_CONTROL
    int VECTOR_SYSCALL
    test eax, eax
    jz deed
    mov [ids + edi * 4], ebx
    jmp deed
deed_priority:
    mov ecx, 1
    or edx, -1
    test ebp, 1 << 24
    jz .Lno_end
    mov edx, QUANTUM
.Lno_end:
    mov esi, ebp
    shr esi, 16
    and esi, 7
    add esi, 97
    mov eax, L4_SCHEDULE
    int VECTOR_SYSCALL
    jmp deed
deed_exchange:                  ; of one in this space: it stops, goes on, or its IPC ends
    mov eax, IN_ROOT_SPACE
    call below
    mov ebx, [ids + CALLER * 4 + eax * 4]
    mov ecx, ebp
    shr ecx, 16
    and ecx, EXREG_HALT | EXREG_SET_HALT | EXREG_CANCEL_RECEIVE | EXREG_CANCEL_SEND | EXREG_GRANT
    mov eax, L4_EXCHANGE_REGISTERS
    int VECTOR_SYSCALL
    jmp deed
deed_unmap:                     ; what was given away is taken back
    UTCB edi
    mov eax, GIFTS
    call below
    shl eax, 12
    add eax, [KIP_BASE + KIP_MEMORY]
    and eax, ~0xFFF
    mov ecx, ebp
    shr ecx, 16
    and ecx, FPAGE_RIGHTS
    or eax, ecx
    or eax, 14 << FPAGE_SHIFT
    mov [edi + UTCB_MR0], eax
    mov esi, eax
    mov ebx, ebp
    shr ebx, 24
    and ebx, UNMAP_FLUSH
    mov eax, L4_UNMAP
    int VECTOR_SYSCALL
    jmp deed
deed_stray:                     ; one that somebody made is ended
    mov eax, STRAYS
    call below
    lea ebx, [eax + WITNESS + THREADS]
    shl ebx, ID_SHIFT
    or ebx, 1
    xor ecx, ecx
    mov eax, L4_THREAD_CONTROL
    int VECTOR_SYSCALL
    jmp deed
deed_attach:                    ; it becomes the handler of an interrupt line
    mov esi, ebx
    mov eax, IRQ_THREADS - 1
    call below
    lea ebx, [eax + 1]
    shl ebx, ID_SHIFT
    or ebx, 1
    mov ecx, ebx
    xor edx, edx
    mov eax, L4_THREAD_CONTROL
    int VECTOR_SYSCALL
    jmp deed
deed_revive:
    mov eax, edi
    call revive
    jmp deed

; revive: ends one of the threads, if it lives, and makes it anew: in the space of its group, or in a new one.
;   in    EAX = index
;   out   EAX, ECX, EDX destroyed; if there is no memory it is not made
revive:
    push ebx
    push esi
    push edi
    push ebp
    mov edi, eax
    mov ebx, [ids + edi * 4]
    test ebx, ebx
    jz .Lnew
    xor ecx, ecx
    mov eax, L4_THREAD_CONTROL
    int VECTOR_SYSCALL
.Lnew:
    inc dword ptr [births]
    mov eax, [births]           ; the version: 1 to 63
    and eax, 0x3F
    jnz .Lversion
    inc eax
.Lversion:
    lea ebx, [edi + WITNESS]
    shl ebx, ID_SHIFT
    or ebx, eax
    mov [ids + edi * 4], ebx
    mov esi, ROOT
    mov ecx, ROOT
    mov dl, [groups + edi]
    test dl, dl
    jz .Lcontrol
    xor ebp, ebp
.Lcompanion:                    ; another one of its group, who may be dead
    cmp [groups + ebp], dl
    jne .Lnext
    cmp ebp, edi
    je .Lnext
    mov ecx, [ids + ebp * 4]
    push edx
    call scheduler_of
    mov eax, L4_THREAD_CONTROL
    int VECTOR_SYSCALL
    pop edx
    test eax, eax
    jnz .Lstart
.Lnext:
    inc ebp
    cmp ebp, THREADS
    jb .Lcompanion
    mov ecx, ebx                ; a new space
.Lcontrol:
    call scheduler_of
    mov eax, L4_THREAD_CONTROL
    int VECTOR_SYSCALL
    test eax, eax
    jz .Lreturn
.Lstart:
    mov eax, ebx
    mov ebx, [entries + edi * 4]
    mov edi, [stacks + edi * 4]
    xor edx, edx
    mov ecx, REPLY_NEVER
    mov esi, 2
    call KIP_CODE
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; scheduler_of: a scheduler for one who is made.
;   in    EDI = index
;   out   EDX; EAX destroyed
scheduler_of:
    mov edx, ROOT
    cmp edi, CALLER + IN_ROOT_SPACE
    jb .Lreturn                 ; the witnesses, and those whose scheduler would have our privileges
    CHANCE 8, .Lcaller
.Lreturn:
    ret
.Lcaller:
    call caller_id
    mov edx, eax
    ret

.rodata

.align 4
entries:
    .long witness, echo
    .rept THREADS - CALLER
    .long caller_born
    .endr
deeds:
    .long deed_scheduler, deed_version, deed_priority, deed_exchange, deed_unmap, deed_stray, deed_attach, deed_revive
.global groups
groups:                         ; which space, by index; 0 is the root task's
    .byte 1, 2, 0, 0, 0, 3, 3, 3, 4, 4, 4, 4, 5, 6, 7, 8
groups_end:
.assert groups_end - groups == THREADS, "a group for each thread"

.bss

.align 4096
shared:
.global ids
ids:                            ; the identifiers that the threads have, or had; 0: not made yet
    .space THREADS * 4
.global stacks
stacks:                         ; where their stacks begin
    .space THREADS * 4
.global patience
patience:                       ; how long callers wait for others: TIMEOUT_NEVER where other timeouts are not offered
    .space 4
.align 16384
.global scratch
scratch:
    .space THREADS * SCRATCH_SIZE

; From here on everything is the watchdog's.
.align 4096
private_stacks:                 ; for callers in this space
    .space THREADS * 4096
    .space 4096
watchdog_stack_top:
preempted:                      ; ring of those who wait for the processor
    .space PREEMPTED_MAX * 4
preempted_first:                ; where the first stands, and where the next goes; both count on
    .space 4
preempted_last:
    .space 4
timeouts:                       ; of the watchdog's own IPC
    .space 4
from:                           ; who sent the message at hand
    .space 4
answer_to:                      ; the watchdog's last answer: to whom, tag, and two words
    .space 4
answer_tag:
    .space 4
answer_first:
    .space 4
answer_second:
    .space 4
births:
    .space 4
.global rounds
rounds:                         ; messages, or ticks without one
    .space 4
.global ticks
ticks:                          ; deeds
    .space 4
