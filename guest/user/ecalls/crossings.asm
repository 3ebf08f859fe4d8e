; What table 1 of the ECalls paper measures: a program makes ROUNDS crossings of the kind that its argument says, and checks
; that each has done what it is for. What they cost is seen by paths (crossings.paths.toml).
;
;     crossings KIND [NUMBER]
;
; The kinds are in the table at the end. Events are raised for the process of that number, 1 being this program itself and 2
; `listener`; so many are deferred until the scheduler chooses.

.include "user/ecalls/crossings.inc"

UNREGISTERED = -1               ; KIND_METHODS: not at all

.text

; main: makes the crossings.
;   in    EAX = argument string
;   out   EAX = exit code: 0; 1: there is no such kind; 2: a crossing has not done what it is for
.global main
main:
    push ebx
    push esi
    push edi
    push ebp
    call argument_next
    mov esi, eax
    call argument_next
    call argument_number
    mov [number], eax
    mov edi, kinds
.Lkind:
    mov ebx, [edi + KIND_NAME]
    test ebx, ebx
    jz .Lunknown
    xor ecx, ecx
.Lchar:
    mov al, [esi + ecx]
    mov dl, [ebx + ecx]
    inc ecx
    test dl, dl
    jz .Lend
    cmp al, dl
    je .Lchar
.Lnext:
    add edi, KIND_SIZE
    jmp .Lkind
.Lend:
    test al, al
    jz .Lfound
    cmp al, ' '
    jne .Lnext

    ; Who we are; registered as the kind says.
.Lfound:
    call sys_self
    mov [self], eax
    mov eax, [edi + KIND_METHODS]
    cmp eax, UNREGISTERED
    je .Lrounds
    call listen
    test eax, eax
    jnz .Lwrong
.Lrounds:
    mov eax, 1                  ; meanwhile the other one begins to wait
    call sys_sleep
    mov esi, ROUNDS
.Lround:
    call dword ptr [edi + KIND_ROUTINE]
    jc .Lwrong
    dec esi
    jnz .Lround
    mov eax, [times]            ; handlers have run as often, if there are any in this program
    test eax, eax
    jz .Ldone
    cmp eax, ROUNDS
    jne .Lwrong

.Ldone:
    xor eax, eax
    jmp .Lreturn
.Lunknown:
    mov eax, 1
    jmp .Lreturn
.Lwrong:
    mov eax, 2

    ; The other one would wait for ever.
.Lreturn:
    push eax
    mov ebx, OTHER
    mov esi, SIGKILL
    mov eax, SYS_SIGQUEUE
    call dword ptr [syscall]
    pop eax
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

; A round: CF set if something is wrong. ESI, EDI are kept.

; round_call: a system call of the kernel's own, by INT.
round_call:
    mov eax, SYS_SELF
    int VECTOR_SYSCALL
    jmp check_self

; round_call_sysenter: the same by SYSENTER.
round_call_sysenter:
    mov eax, SYS_SELF
    call syscall_by_sysenter
    jmp check_self

; round_generic: the generic system call of a service, by INT.
round_generic:
    push esi
    push edi
    mov ebx, text_probe
    xor esi, esi
    xor edi, edi
    mov eax, SYS_ECALL
    int VECTOR_SYSCALL
    pop edi
    pop esi
    jmp check_self

; round_generic_sysenter: the same by SYSENTER.
round_generic_sysenter:
    push esi
    push edi
    mov ebx, text_probe
    xor esi, esi
    xor edi, edi
    mov eax, SYS_ECALL
    call syscall_by_sysenter
    pop edi
    pop esi
    jmp check_self

; round_fast: a Fast User-ECall by SYSENTER.
round_fast:
    xor ebx, ebx
    mov eax, ECALL_FAST
    call syscall_by_sysenter
    jmp check_self

; round_fast_int: the same by INT.
round_fast_int:
    xor ebx, ebx
    mov eax, ECALL_FAST
    int VECTOR_ECALL

; check_self: has the kernel said who we are?
;   in    EAX = result
;   out   CF set: no
check_self:
    sub eax, [self]
    neg eax                     ; CF is clear if it is 0
    ret

; round_defer: a Deferred User-ECall, and the system call at whose return it is heard.
round_defer:
    call defer
    jc .Lreturn
    mov eax, SYS_SELF
    int VECTOR_SYSCALL
    cmp dword ptr [ECALL_TELL + ECALL_RING_FLAG], 0
    je .Lreturn                 ; CF is clear
    stc
.Lreturn:
    ret

; defer: an event; what it costs is what lies between the two labels.
;   out   CF set: no room
defer:
    mov eax, ECALL_TELL
    mov edx, self
    mov ecx, shape
defer_begin:
    call ecall_defer
defer_end:
    ret

; round_schedule: the scheduler is asked, and nothing was deferred.
round_schedule:
    mov eax, SYS_YIELD
    int VECTOR_SYSCALL
    clc
    ret

; round_deferred: as many events as were asked for are heard when the scheduler chooses.
round_deferred:
    mov dword ptr [shape + SHAPE_WHEN], DEFER_SCHEDULE
    mov ebp, [number]
.Lnext:
    call defer
    jc .Lreturn
    dec ebp
    jnz .Lnext
    mov eax, SYS_YIELD
    int VECTOR_SYSCALL
    cmp dword ptr [ECALL_TELL + ECALL_RING_FLAG], 0
    je .Lreturn                 ; CF is clear
    stc
.Lreturn:
    ret

; round_preferred: the scheduler is asked while there is an event for us in the event queue, of which we do not hear.
round_preferred:
    cmp dword ptr [ECALL_HEAR + ECALL_RING_FLAG], 0
    jne round_schedule
    push esi
    push edi
    mov edx, [self]
    call raise
    pop edi
    pop esi
    jmp round_schedule

; round_raise: an event for a process.
round_raise:
    push esi
    push edi
    mov edx, [number]
    call raise
    pop edi
    pop esi
    test eax, eax
    jnz .Lwrong
    jmp heard
.Lwrong:
    stc
    ret

; raise: the system call by which an event is raised.
;   in    EDX = number of the process
;   out   EAX = 0, or an error; EBX, ESI, EDI destroyed
raise:
    mov ebx, text_probe
    mov esi, edx
    mov edi, EVENT
    mov eax, SYS_ECALL
    int VECTOR_SYSCALL
raised:
    ret

.data

.align 4
shape:                          ; SHAPE of the ring in which we tell
    .long DATA_RING, 4, PROBE_SLOTS, 0, DEFER_CALL, 0

KIND_NAME = 0
KIND_METHODS = 4
KIND_ROUTINE = 8
KIND_SIZE = 12

.macro KIND name, methods, routine
.rodata
name_\@:
    .asciz \name
.data
    .long name_\@, \methods, \routine
.endm

.align 4
kinds:                          ; name, how we want to hear of events, a round
    KIND "call",             UNREGISTERED,  round_call
    KIND "call-sysenter",    UNREGISTERED,  round_call_sysenter
    KIND "generic",          0,             round_generic
    KIND "generic-sysenter", 0,             round_generic_sysenter
    KIND "fast",             0,             round_fast
    KIND "fast-int",         0,             round_fast_int
    KIND "defer",            0,             round_defer
    KIND "schedule",         0,             round_schedule
    KIND "deferred",         0,             round_deferred
    KIND "nothing",          0,             round_raise
    KIND "kernel",           METHOD_KERNEL, round_raise
    KIND "user",             METHOD_USER,   round_raise
    KIND "signal",           METHOD_SIGNAL, round_raise
    KIND "thread",           METHOD_THREAD, round_raise
    KIND "queue",            METHOD_QUEUE,  round_raise
    KIND "preferred",        METHOD_QUEUE,  round_preferred
    .long 0

.bss

.align 4
number:                         ; the argument: a process, or how many events
    .space 4
self:                           ; our number
    .space 4
