; Does a thread that matters less run ahead of one that was preempted?
;
; A scheduler with fixed priorities at user level, and three threads: low serves high; medium has work of its own. Ticks wake
; medium and high in turn. So when high calls low, medium may have been preempted by it and wait. The scheduler says how
; urgent they are, and publishes its ceiling; whether that does anything depends on the kernel.
;
; Low looks at every step of its service whether medium waits, and counts this in `ran_ahead`.

.include "play.inc"

HIGH = THREE
MEDIUM = TWO
LOW = ONE
MEDIUM_NUMBER = 2               ; less FIRST_THREAD: how urgent they are, too
HIGH_NUMBER = 3

.global _start
; _start: the scheduler.
_start:
    mov esp, root_stack
    CONTROL TIMER, TIMER, NIL_THREAD, ROOT
    MAKE LOW, low, one_stack
    MAKE MEDIUM, medium, two_stack
    MAKE HIGH, high, three_stack

    ; EBP is the thread that gets the processor: the most urgent of those that can run. The ceiling is the next one's.
choose:
    mov dword ptr [ceiling], 0
    xor ebp, ebp
    mov ecx, HIGH_NUMBER
.Lthread:
    cmp dword ptr [ready + ecx * 4], 0
    je .Lnext
    test ebp, ebp
    jnz .Lkept
    mov ebp, ecx
    jmp .Lnext
.Lkept:
    cmp dword ptr [ceiling], 0
    jne .Lnext
    mov [ceiling], ecx
.Lnext:
    dec ecx
    jnz .Lthread
    test ebp, ebp
    jz rest
    mov dword ptr [ready + ebp * 4], 0
    mov eax, [ready + MEDIUM_NUMBER * 4]
    mov [medium_waits], eax
    mov edx, [KIP_BASE + KIP_UTCB]
    mov eax, [ceiling]
    mov [edx + UTCB_CEILING], eax

    ; Its state as it was, and how urgent it is: its number. What it has asked for is answered with as many words.
    lea esi, [edx + UTCB_MR1]
    imul edi, ebp, STATE_SIZE
    add edi, states
    xchg esi, edi
    mov ecx, STATE_WORDS
    cld
    rep movsd
    mov [edx + UTCB_MR1 + STATE_MORE], ebp
    mov ebx, [edx + UTCB_MR1]
    mov edi, [edx + UTCB_MR2]
    lea eax, [ebp + FIRST_THREAD]
    shl eax, ID_SHIFT
    inc eax
    IPC eax, ANY_THREAD, REPLY, STATE_WORDS + 1
    jmp heard
rest:
    hlt
    jmp next
heard:
    test esi, TAG_ERROR
    jnz wrong
    call note

    ; Whatever else is there: with a tick come preemptions.
next:
    IPC NIL_THREAD, ANY_THREAD, ZERO
    test esi, TAG_ERROR
    jz heard
    jmp choose

; note: a message has come.
;   in    EAX = from whom, ESI = tag, EBX, EDI
note:
    cmp eax, TIMER
    je .Ltick
    mov ecx, eax
    shr ecx, ID_SHIFT
    sub ecx, FIRST_THREAD
    jb .Lreturn                             ; nobody can run
    cmp esi, LABEL_PREEMPTION << LABEL_SHIFT
    jb .Lsleeps
    mov dword ptr [ready + ecx * 4], 1
    imul edi, ecx, STATE_SIZE
    add edi, states
    mov esi, [KIP_BASE + KIP_UTCB]
    add esi, UTCB_MR1
    mov ecx, STATE_WORDS
    cld
    rep movsd
.Lreturn:
    ret

    ; Its work is done until it is woken.
.Lsleeps:
    mov dword ptr [asleep + ecx * 4], 1
    cmp ecx, HIGH_NUMBER
    jne .Lreturn
    dec dword ptr [rounds]
    jnz .Lreturn
    EXIT 0

    ; Medium at one tick, high at the next; who still works is not woken.
.Ltick:
    IPC TIMER, NIL_THREAD, REPLY
    xor dword ptr [turn], MEDIUM_NUMBER ^ HIGH_NUMBER
    mov ecx, [turn]
    xor eax, eax
    xchg eax, [asleep + ecx * 4]
    or [ready + ecx * 4], eax
    ret

; low: serves.
low:
    mov eax, NIL_THREAD
.Lwait:
    IPC eax, ANY_THREAD, REPLY
    mov ecx, SERVICE
.Lserve:
    mov edx, [medium_waits]
    add [ran_ahead], edx
    loop .Lserve
    jmp .Lwait

; medium: works, and sleeps.
medium:
    IPC ROOT, ROOT, NEVER
medium_works:
    mov ecx, WORK
.Lwork:
    loop .Lwork
    jmp medium

; high: sleeps, and has low do something.
high:
high_rests:
    IPC ROOT, ROOT, NEVER
    IPC LOW, LOW, NEVER
    jmp high

.data

rounds:                                     ; how often high still goes to sleep
    .long ROUNDS + 1
turn:                                       ; who was woken last
    .long HIGH_NUMBER

.bss

asleep:                                     ; by number of thread: 1 if it sleeps
    .space 4 * (HIGH_NUMBER + 1)
ready:                                      ; likewise: 1 if it waits for the processor
    .space 4 * (HIGH_NUMBER + 1)
ceiling:                                    ; the second of those
    .space 4
medium_waits:                               ; 1 if medium does while another thread runs
    .space 4
ran_ahead:                                  ; how often low saw that
    .space 4
states:                                     ; by number: its state as it was preempted
    .space STATE_SIZE * (HIGH_NUMBER + 1)
