; Clients: the threads that the root task has made, and the answers they wait for.
;
; Owns the table of CLIENTs, one for each thread number, and with it the numbers. A number that becomes free gets
; another version, so that nobody takes the new thread for the old one.

.include "lib/micro/user.inc"

LOW_BITS = 0x3F                     ; of a version: not all 0 (X.2 manual, thread identifiers)

.text

; clients_init: no clients.
.global clients_init
clients_init:
    imul eax, [KIP_BASE + KIP_THREADS], CLIENT_SIZE
    call memory_take                ; the kernel leaves more than that, or nothing works
    mov [clients], eax
    imul edx, [KIP_BASE + KIP_THREADS], CLIENT_SIZE
    add edx, eax
    mov [clients_end], edx
    add eax, (FIRST_THREAD + 1) * CLIENT_SIZE
    mov [clients_first], eax
    ret

; client_find: whose identifier is this?
;   in    EAX = identifier
;   out   EAX = client; CF set: nobody's; EDX kept
.global client_find
client_find:
    mov ecx, eax
    shr eax, ID_SHIFT
    cmp eax, [KIP_BASE + KIP_THREADS]
    jae .Lnobody
    imul eax, CLIENT_SIZE
    add eax, [clients]
    jecxz .Lnobody
    cmp [eax + CLIENT_ID], ecx
    jne .Lnobody
    clc
    ret
.Lnobody:
    stc
    ret

; client_new: makes a thread; it starts when the policy lets it.
;   in    EAX = program or 0 for the root task's own, EDX = EIP, ECX = ESP
;         EBX = scheduler, ESI = priority
;   out   EAX = client; CF set: out of numbers or of the kernel's memory
.global client_new
client_new:
    push edi
    push ebp
    mov ebp, eax

    ; A free number, and its next version.
    mov edi, [clients_first]
.Lclient:
    cmp edi, [clients_end]
    jae .Lfail
    cmp dword ptr [edi + CLIENT_ID], 0
    je .Lfree
    add edi, CLIENT_SIZE
    jmp .Lclient
.Lfree:
    mov [edi + CLIENT_MR1], edx
    mov [edi + CLIENT_MR2], ecx
    mov eax, edi
    call client_version

    ; The thread: in the program's space, or in a new one if it is the first.
    push esi
    mov edx, ROOT_TASK
    test ebp, ebp
    jz .Lmake
    mov edx, [ebp + PROGRAM_MEMBER]
    test edx, edx
    jnz .Lmake
    mov edx, eax
.Lmake:
    mov ecx, ebx
    mov esi, ROOT_TASK
    push eax
    call thread_control
    pop edx
    pop esi
    test eax, eax
    jz .Lfail
    mov [edi + CLIENT_ID], edx
    mov [edi + CLIENT_PROGRAM], ebp
    mov [edi + CLIENT_SCHEDULER], ebx
    mov [edi + CLIENT_PRIORITY], esi
    mov dword ptr [edi + CLIENT_TAG], 2     ; its start message: EIP and ESP
    mov dword ptr [edi + CLIENT_WATCH], 0
    test ebp, ebp
    jz .Lstart
    inc dword ptr [ebp + PROGRAM_THREADS]
    mov [ebp + PROGRAM_MEMBER], edx

    ; It starts by our policy, or if it is not ours by its scheduler's: that one gets its preemption.
.Lstart:
    mov eax, edi
    cmp ebx, ROOT_TASK
    jne .Ltheirs
    call sched_new
    jmp .Lmade
.Ltheirs:
    call client_send
.Lmade:
    mov eax, edi
    clc
    jmp .Lreturn
.Lfail:
    stc
.Lreturn:
    pop ebp
    pop edi
    ret

; client_version: the next identifier of a free number.
;   in    EAX = client
;   out   EAX = identifier
client_version:
    mov ecx, [eax + CLIENT_LAST]
    inc ecx
    test ecx, LOW_BITS
    jnz .Lnext
    inc ecx
.Lnext:
    and ecx, ID_VERSION
    mov [eax + CLIENT_LAST], ecx
    sub eax, [clients]
    xor edx, edx
    push ecx
    mov ecx, CLIENT_SIZE
    div ecx
    pop ecx
    shl eax, ID_SHIFT
    or eax, ecx
    ret

; client_end: ends a thread; the root scheduler takes over the threads that it scheduled.
;   in    EAX = client
.global client_end
client_end:
    push ebx
    mov ebx, eax
    call watchdog_adopt
    mov eax, ebx
    call queue_leave
    mov eax, [ebx + CLIENT_ID]
    mov dword ptr [ebx + CLIENT_ID], 0
    push eax
    call thread_delete
    pop edx

    ; Its program's space goes by the name of one of its threads.
    mov eax, [ebx + CLIENT_PROGRAM]
    test eax, eax
    jz .Lreturn
    dec dword ptr [eax + PROGRAM_THREADS]
    cmp [eax + PROGRAM_MEMBER], edx
    jne .Lreturn
    mov edx, [clients_first]
    call client_of
    mov ecx, 0
    jc .Lmember
    mov ecx, [edx + CLIENT_ID]
.Lmember:
    mov [eax + PROGRAM_MEMBER], ecx
.Lreturn:
    pop ebx
    ret

; client_schedule: a thread gets another scheduler.
;   in    EAX = client, EDX = identifier of the scheduler
;   out   EAX = 1, or 0: the kernel refuses
.global client_schedule
client_schedule:
    push ebx
    push esi
    push edx
    mov ebx, eax
    mov ecx, edx
    mov eax, [ebx + CLIENT_ID]
    mov edx, eax                    ; its space stays,
    mov esi, NIL_THREAD             ; and its pager
    call thread_control
    pop edx
    test eax, eax
    jz .Lreturn
    mov [ebx + CLIENT_SCHEDULER], edx
.Lreturn:
    pop esi
    pop ebx
    ret

; client_of: goes through the threads of a program.
;   in    EAX = program, EDX = client from which on to look
;   out   EDX = the next one that is the program's; CF set: none; EAX kept
.global client_of
client_of:
    cmp edx, [clients_end]
    jae .Lnone
    cmp dword ptr [edx + CLIENT_ID], 0
    je .Lnext
    cmp [edx + CLIENT_PROGRAM], eax
    je .Lreturn                     ; CF is clear
.Lnext:
    add edx, CLIENT_SIZE
    jmp client_of
.Lnone:
    stc
.Lreturn:
    ret

; client_answer: the client whose request is being served gets a word, and goes on.
;   in    EBP = client, EAX = MR1
.global client_answer
client_answer:
    mov edx, eax
    mov eax, ebp
    mov dword ptr [eax + CLIENT_TAG], 1
    mov [eax + CLIENT_MR1], edx
    jmp sched_ready

; client_answer_two: likewise two words.
;   in    EBP = client, EAX = MR1, EDX = MR2
.global client_answer_two
client_answer_two:
    mov dword ptr [ebp + CLIENT_TAG], 2
    mov [ebp + CLIENT_MR1], eax
    mov [ebp + CLIENT_MR2], edx
    mov eax, ebp
    jmp sched_ready

; client_refuse: likewise the answer 0.
;   in    EBP = client
.global client_refuse
client_refuse:
    xor eax, eax
    jmp client_answer

; client_wake: a client that has waited for something gets a word. If it is not ours to schedule, its scheduler hears of
; it by its preemption.
;   in    EAX = client, EDX = MR1
.global client_wake
client_wake:
    mov dword ptr [eax + CLIENT_TAG], 1
    mov [eax + CLIENT_MR1], edx
    cmp dword ptr [eax + CLIENT_SCHEDULER], ROOT_TASK
    je sched_ready

; client_send: sends a client its answer, and keeps the processor.
;   in    EAX = client
;   out   EAX kept
.global client_send
client_send:
    push ebx
    push esi
    push edi
    push eax
    mov esi, [eax + CLIENT_TAG]
    mov ebx, [eax + CLIENT_MR1]
    mov edi, [eax + CLIENT_MR2]
    mov eax, [eax + CLIENT_ID]
    call ipc_send_now
    pop eax
    pop edi
    pop esi
    pop ebx
    ret

; thread_delete: the kernel's part of the end of a thread.
;   in    EAX = identifier
thread_delete:
    push esi
    mov edx, NIL_THREAD
    mov ecx, NIL_THREAD
    mov esi, NIL_THREAD
    call thread_control
    pop esi
    ret

; space_thread: makes a thread of the root task's own (see thread.asm).
;   in    EAX = EIP, EDX = ESP, ECX is of no interest: the root task is its scheduler
;   out   EAX = identifier, or 0
.global space_thread
space_thread:
    push ebx
    push esi
    mov ecx, edx
    mov edx, eax
    xor eax, eax
    mov ebx, ROOT_TASK
    xor esi, esi                    ; the lowest priority
    call client_new
    mov eax, [eax + CLIENT_ID]
    jnc .Lreturn
    xor eax, eax
.Lreturn:
    pop esi
    pop ebx
    ret

; space_end: ends a thread of the root task's own. There are none that end.
.global space_end
space_end:
    ret

.bss

.global clients_first, clients_end

.align 4
clients:                            ; the table of CLIENTs, by thread number
    .space 4
clients_first:                      ; in it: the first that may be handed out
    .space 4
clients_end:                        ; first address behind it
    .space 4
