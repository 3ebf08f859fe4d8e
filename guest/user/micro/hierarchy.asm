; A hierarchy of schedulers for `uls`, and a timer that preempts whoever runs below it. A root task of its own.
;
; Its arguments are WORKLOAD LEVELS TICKS. The root scheduler is level 0, and each thread is the scheduler of the next. All
; but the last give the processor to the one below whenever they get it. The last, at level LEVELS, is the workload: cpu
; counts bits for ever, idle waits for ever. After so many ticks the machine ends.
;
;     level 0  root        this space            root, which has the timer's interrupt
;     level 1  monitor     a space of its own    middle
;     level 2  main        the monitor's         middle
;     level 3  user        a space of its own    busy or asleep
;
; Nothing measures here: the image's path goes from the interrupt to root_received.

.include "lib/micro/user.inc"

ONE_LOWER  = 1 << ID_SHIFT      ; from an identifier to that of the next lower level
MONITOR    = ROOT_TASK + ONE_LOWER
MAIN       = MONITOR + ONE_LOWER
TIMER      = 1                  ; identifier of the thread of interrupt line 0
LEVELS_MAX = 3
WHOLE_PAGE = PAGE_SHIFT << FPAGE_SHIFT | FPAGE_RIGHTS       ; of a flexpage: all but the address

.text

; main: builds the hierarchy, and is the root scheduler.
;   in    EAX = argument string
;   out   EAX = 0, or 1 if something failed
.global main
main:
    push ebx
    push esi
    push edi
    push ebp

    ; The arguments. EBX is where the lowest thread starts.
    call argument_next
    mov ebx, asleep
    cmp byte ptr [eax], 'c'
    jne .Llevels
    mov ebx, busy
.Llevels:
    call argument_next
    mov esi, eax
    call argument_number
    mov ebp, eax
    dec eax
    cmp eax, LEVELS_MAX
    jae .Lfailed
    mov eax, esi
    call argument_next
    call argument_number
    mov [ticks], eax

    ; The threads, from the top: each is ready before the next begins.
    mov edi, MONITOR
.Lthread:
    mov eax, edi
    mov edx, middle
    dec ebp
    jnz .Lstart
    mov edx, ebx
.Lstart:
    call thread_start
    jc .Lfailed
    add edi, ONE_LOWER
    test ebp, ebp
    jnz .Lthread

    ; The timer, and then the processor to the monitor.
    mov eax, TIMER
    mov edx, TIMER
    mov ecx, NIL_THREAD
    mov esi, ROOT_TASK
    call thread_control
    test eax, eax
    jz .Lfailed
    mov eax, MONITOR
    call root
    jc .Lfailed
    xor eax, eax
    jmp .Lreturn
.Lfailed:
    mov eax, 1
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; thread_start: makes a thread and starts it; its pages are ours, at the same addresses. It is ready when it says so.
;   in    EAX = identifier: its scheduler is the one before; EDX = where it starts
;   out   CF set: that failed
thread_start:
    push ebx
    push esi
    push edi
    push ebp
    mov ebp, eax
    mov ebx, edx

    ; Main lies in the monitor's space, the others have one each.
    mov edx, eax
    cmp eax, MAIN
    jne .Lmake
    mov edx, MONITOR
.Lmake:
    lea ecx, [eax - ONE_LOWER]
    mov esi, ROOT_TASK
    call thread_control
    test eax, eax
    jz .Lfailed

    ; MR1 and MR2: where it starts, and the end of its own page for a stack.
    mov edi, ebp
    shr edi, ID_SHIFT
    sub edi, FIRST_THREAD
    shl edi, PAGE_SHIFT
    add edi, stacks
    mov esi, 2
.Lcall:
    mov eax, ebp
    call ipc_call
    test esi, TAG_ERROR
    jnz .Lfailed
    cmp esi, LABEL_PAGE_FAULT << LABEL_SHIFT
    jb .Lready
    and ebx, PAGE_MASK
    lea edi, [ebx + WHOLE_PAGE]
    or ebx, ITEM_MAP
    mov esi, 2 << TAG_TYPED_SHIFT
    jmp .Lcall
.Lfailed:
    stc
    jmp .Lreturn
.Lready:
    clc
.Lreturn:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; root: the root scheduler. It gives the processor to the monitor at once, at every tick, and if that has been preempted
; otherwise. If nobody can run, it halts the processor up to the next interrupt.
;   in    EAX = the monitor
;   out   CF set: an IPC failed; else the ticks are over
root:
    push ebx
    push esi
    push edi
root_grant:
    mov edx, ANY_THREAD
    xor esi, esi
    mov ecx, TIMEOUT_NEVER
    call KIP_CODE
root_received:
    test esi, TAG_ERROR
    jnz .Lfailed
    shr esi, LABEL_SHIFT
    cmp esi, LABEL_PREEMPTION
    je root_grant
    cmp esi, LABEL_INTERRUPT
    je .Ltick
    cmp esi, LABEL_IDLE
    jne .Lfailed
    hlt
    mov eax, NIL_THREAD
    jmp root_grant

    ; The reply lets the next interrupt come. What the tick has preempted waits to tell us.
.Ltick:
    dec dword ptr [ticks]
    jz .Lover
    mov edx, ANY_THREAD
    xor esi, esi
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT | TIMEOUT_ZERO
    call KIP_CODE
    jmp root_grant              ; to whom it came from: nobody, if none was preempted
.Lfailed:
    stc
    jmp .Lreturn
.Lover:
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

; middle: a scheduler of one thread, the one with the next identifier: gives it the processor whenever it has it itself.
middle:
    call ready
    lea eax, [ebp + ONE_LOWER]
.Lgrant:
    mov edx, ANY_THREAD
    xor esi, esi
    mov ecx, TIMEOUT_NEVER
    call KIP_CODE               ; behind it: the one below was preempted
    jmp .Lgrant

; busy: counts the bits of all numbers, one after the other.
busy:
    call ready
    xor ebx, ebx
    xor edx, edx
.Lnumber:
    inc edx
    mov eax, edx
.Lbit:
    shr eax, 1
    adc ebx, 0
    test eax, eax
    jnz .Lbit
    jmp .Lnumber

; asleep: waits for what never comes.
asleep:
    call ready
    mov edx, ROOT_TASK
    call ipc_receive
    jmp asleep

; ready: tells the root task that the running thread has started, and waits until its scheduler gives it the processor.
;   out   EBP = its identifier
ready:
    MYSELF ebp
    mov eax, ROOT_TASK
    lea edx, [ebp - ONE_LOWER]
    xor esi, esi
    mov ecx, TIMEOUT_NEVER
    jmp KIP_CODE

.bss

.align PAGE_SIZE
stacks:                         ; that of level n ends n pages behind here
    .space LEVELS_MAX * PAGE_SIZE
ticks:                          ; how many are left
    .space 4
