; Activations: the system calls with which a program asks for virtual processors, gives them back, and chooses who runs.
;
; Owns the frame PROCESS_SA: what SYS_SA_INIT has read, and behind it the VPs. See syscall.asm for what a system call may
; rely on, and activation.asm for what a VP does.

.include "activations.inc"

.text

; sys_sa_init: the process gets virtual processors; the running thread becomes the activation of the first.
;   in    EBX = SA_INIT
;   out   EAX = 0 or an error
.global sys_sa_init
sys_sa_init:
    CURRENT_PROCESS esi
    mov eax, ERR_ACTIVATION
    cmp dword ptr [esi + PROCESS_SA], 0
    jne .Lreturn
    call sa_check
    jc .Lreturn
    call frame_alloc
    jc .Lno_memory
; -- checked: from here on nothing can fail --
    mov [esi + PROCESS_SA], eax
    mov edx, esi
    mov esi, ebx
    lea ebx, [eax + SA_PLACE]
    mov edi, ebx
    mov ecx, SA_INIT_SIZE / 4
    rep movsd

    ; The VPs, all of them without activations; the rest of the frame is zero.
    mov esi, [ebx + SA_INIT_VPS]
    xor ecx, ecx
.Lvp:
    mov [edi + VP_NUMBER], ecx
    mov [edi + VP_USER], esi
    .irp ring, VP_UNTOLD, VP_TOLD, VP_WOKEN, VP_FINISHING, VP_REVOKED
    lea eax, [edi + \ring]
    call ring_init
    .endr
    add edi, VP_SIZE
    add esi, SA_VP_SIZE
    inc ecx
    cmp ecx, [ebx + SA_INIT_COUNT]
    jb .Lvp

    ; The first one's.
    CURRENT eax
    add ebx, SA_INIT_SIZE
    call vp_run
    xor eax, eax
.Lreturn:
    ret
.Lno_memory:
    mov eax, ERR_MEMORY
    ret

; sa_check: is that an SA_INIT, and what it points to the program's?
;   in    EBX = address, straight from the program
;   out   CF set: no, EAX = error; EDX, ECX destroyed
sa_check:
    mov eax, ebx
    mov edx, SA_INIT_SIZE
    mov ecx, PTE_U
    call memory_check
    jc .Laddress

    ; Numbers.
    mov ecx, [ebx + SA_INIT_FLAGS]
    test ecx, ~SA_ORIGINAL
    jnz .Largument
    mov edx, [ebx + SA_INIT_COUNT]
    dec edx
    cmp edx, SA_VP_MAX
    jae .Largument
    cmp dword ptr [ebx + SA_INIT_SECOND], 0
    je .Lmodel
    test dword ptr [cpu_features], CPUID_TSC    ; its bound is in cycles
    jz .Largument
    test ecx, SA_ORIGINAL                       ; which knows no such thing
    jnz .Largument
.Lmodel:
    test ecx, SA_ORIGINAL
    jz .Lvps
    mov edx, [ebx + SA_INIT_STACK_COUNT]
    dec edx
    cmp edx, SA_STACKS_MAX
    jae .Largument

    ; Memory that the kernel writes to.
    mov eax, [ebx + SA_INIT_STACKS]
    imul edx, [ebx + SA_INIT_STACK_COUNT], SA_STACK_SIZE
    mov ecx, PTE_U | PTE_W
    call memory_check
    jc .Laddress
.Lvps:
    mov eax, [ebx + SA_INIT_VPS]
    imul edx, [ebx + SA_INIT_COUNT], SA_VP_SIZE
    mov ecx, PTE_U | PTE_W
    call memory_check
    jc .Laddress
    ret
.Largument:
    mov eax, ERR_ARGUMENT
    stc
    ret
.Laddress:
    mov eax, ERR_ADDRESS                        ; CF stays
    ret

; sys_sa_revoke: gives the running VP back until it is requested or has something to tell.
;   out   EAX = 0 or ERR_ACTIVATION
;
; If there is something to tell already, which the lock delays, it returns at once: the program cannot have known.
.global sys_sa_revoke
sys_sa_revoke:
    CURRENT ebx
    mov ebx, [ebx + ACT_VP]
    mov eax, ERR_ACTIVATION
    test ebx, ebx
    jz .Lreturn
    lea eax, [ebx + VP_UNTOLD]
    cmp [eax + LINK_NEXT], eax
    jne .Ldone
    lea eax, [ebx + VP_REVOKED]
    call wait_plain
.Ldone:
    xor eax, eax
.Lreturn:
    ret

; sys_sa_request: a VP is wanted.
;   in    EBX = its number
;   out   EAX = 0 or an error
.global sys_sa_request
sys_sa_request:
    CURRENT_PROCESS edx
    mov edx, [edx + PROCESS_SA]
    mov eax, ERR_ACTIVATION
    test edx, edx
    jz .Lreturn
    mov eax, ERR_ARGUMENT
    cmp ebx, [edx + SA_PLACE + SA_INIT_COUNT]
    jae .Lreturn
    imul ebx, ebx, VP_SIZE
    lea ebx, [edx + ebx + SA_PLACE + SA_INIT_SIZE]
    cmp dword ptr [ebx + VP_CURRENT], 0
    je .Lbegins
    lea eax, [ebx + VP_REVOKED]
    call wait_wake
.Ldone:
    xor eax, eax
.Lreturn:
    ret

    ; Nobody runs there: a new activation, of whichever model.
.Lbegins:
    call vp_new
    jc .Lreturn
    call sched_ready
    jmp .Ldone

; sys_sa_control: chooses who runs.
;   in    EBX = SA_ operation, ESI = activation
;   out   EAX = 0 or an error; on SA_RESTART_UNBLOCKED it does not return if it succeeds
.global sys_sa_control
sys_sa_control:
    CURRENT edi
    mov edi, [edi + ACT_VP]
    test edi, edi
    jz .Lrefused
    cmp ebx, SA_RESTART_UNBLOCKED
    jne .Lothers
    mov eax, esi
    call number_find
    jc .Lrefused
    cmp dword ptr [edi + VP_HOLDER], 0          ; who holds the lock goes first
    jne .Lrefused
    mov ebx, edi
    SETTINGS edx
    test dword ptr [edx + SA_INIT_FLAGS], SA_ORIGINAL
    jnz .Lrefused
    cmp dword ptr [eax + TCB_STATE], THREAD_UNBLOCKED
    jne .Lwaits
; -- checked: from here on nothing can fail --
    add eax, ACT_LINK
    call ring_remove
    sub eax, ACT_LINK
    call vp_run
    jmp thread_vanish

    ; It may have been tried by the kernel, and have had to wait again, of which the program knows nothing: as if it had
    ; been restarted, and waited then.
.Lwaits:
    cmp dword ptr [eax + TCB_STATE], THREAD_WAITING
    jne .Lrefused
    mov edx, [eax + ACT_VP]
    test edx, edx
    jz .Lrefused
    cmp [edx + VP_CURRENT], eax
    je .Lrefused
    cmp dword ptr [eax + ACT_KNOWN], 0
    je .Lrefused
    mov esi, eax
    mov edx, [esi + TCB_NUMBER]
    mov [ebx + VP_BLOCKED], edx
    call vp_next
    jc .Lno_memory
; -- checked: from here on nothing can fail --
    mov dword ptr [esi + ACT_KNOWN], 0
    mov [esi + ACT_VP], ebx
    jmp thread_vanish
.Lno_memory:
    mov dword ptr [ebx + VP_BLOCKED], 0
    ret

    ; SA_DELIVER: what is delayed comes on the way back, as always.
.Lothers:
    xor eax, eax
    cmp ebx, SA_DELIVER
    je .Lreturn
    mov eax, ERR_ARGUMENT
.Lreturn:
    ret
.Lrefused:
    mov eax, ERR_ACTIVATION
    ret
