; Requests: what a program asks of the root task, by number of the label. guest/abi/root.py says what each does.
;
; Every argument is a program's, and is checked here or by the kernel.

.include "lib/micro/user.inc"

.text

; request: a client's request.
;   in    EBP = client, EAX = label, ESI = tag, EBX, EDI = MR1, MR2, the rest in the UTCB
.global request
request:
    cmp eax, (requests_end - requests) / 4
    jae client_refuse
    jmp dword ptr [requests + eax * 4]

; request_member: a thread of the client's own program.
;   in    EBP = client, EBX = identifier
;   out   EAX = that client; CF set: it is none
request_member:
    mov eax, ebx
    call client_find
    jc .Lreturn
    mov ecx, [ebp + CLIENT_PROGRAM]
    cmp ecx, [eax + CLIENT_PROGRAM]
    je .Lreturn                     ; CF is clear
    stc
.Lreturn:
    ret

; request_scheduler: whoever can be a scheduler.
;   in    EAX = identifier or NIL_THREAD
;   out   EAX = identifier; CF set: there is no such thread
request_scheduler:
    test eax, eax
    jz .Lroot
    push eax
    call client_find
    pop eax
    ret
.Lroot:
    mov eax, ROOT_TASK
    clc
    ret

; request_thread: ROOT_THREAD.
;   in    EBX = EIP, EDI = ESP, MR3 = scheduler
request_thread:
    UTCB eax
    mov eax, [eax + UTCB_MR3]
    call request_scheduler
    jc client_refuse
    mov edx, ebx
    mov ebx, eax
    mov ecx, edi
    mov esi, [ebp + CLIENT_PRIORITY]
    mov eax, [ebp + CLIENT_PROGRAM]
    call client_new
    jc client_refuse
    mov eax, [eax + CLIENT_ID]
    jmp client_answer

; request_end: ROOT_END. A program without threads has ended.
;   in    EBX = thread
request_end:
    call request_member
    jc client_refuse
    mov ebx, [ebp + CLIENT_PROGRAM]
    cmp eax, ebp
    je .Litself
    call client_end
    mov eax, 1
    jmp client_answer
.Litself:
    call client_end
    cmp dword ptr [ebx + PROGRAM_THREADS], 0
    jne .Lreturn
    mov eax, ebx
    xor edx, edx
    jmp program_end
.Lreturn:
    ret

; request_scheduling: ROOT_SCHEDULER. The kernel sees to it that nobody becomes its own scheduler.
;   in    EBX = thread, EDI = scheduler
request_scheduling:
    call request_member
    jc client_refuse
    mov esi, eax
    mov eax, edi
    call request_scheduler
    jc client_refuse
    mov edx, eax
    mov eax, esi
    call client_schedule
    jmp client_answer

; request_priority: ROOT_PRIORITY.
;   in    EBX = thread, EDI = priority
request_priority:
    call request_member
    jc client_refuse
    cmp edi, [ebp + CLIENT_PRIORITY]
    ja client_refuse
    mov [eax + CLIENT_PRIORITY], edi
    mov eax, 1
    jmp client_answer

; request_memory: ROOT_MEMORY. The pages come as they are touched.
;   in    EBX = pages
request_memory:
    call request_room
    jc client_refuse
    call request_grow
    jmp client_answer

; request_room: are there so many addresses behind the heap of the client's program?
;   in    EBP = client, EBX = pages
;   out   CF set: no. EAX, ECX kept
.global request_room
request_room:
    mov edx, [ebp + CLIENT_PROGRAM]
    push ecx
    mov ecx, ARGUMENTS
    sub ecx, [edx + PROGRAM_HEAP_END]
    shr ecx, PAGE_SHIFT
    cmp ecx, ebx
    pop ecx
    ret

; request_grow: so many pages more belong to it.
;   in    EBP = client, EBX = pages
;   out   EAX = address of the first
.global request_grow
request_grow:
    mov edx, [ebp + CLIENT_PROGRAM]
    mov ecx, ebx
    shl ecx, PAGE_SHIFT
    mov eax, [edx + PROGRAM_HEAP_END]
    add [edx + PROGRAM_HEAP_END], ecx
    ret

.rodata

.align 4
requests:                           ; by label
    .long client_refuse             ; 0
    .long program_exit              ; ROOT_EXIT
    .long console_print             ; ROOT_PRINT
    .long request_memory            ; ROOT_MEMORY
    .long request_thread            ; ROOT_THREAD
    .long request_end               ; ROOT_END
    .long request_scheduling        ; ROOT_SCHEDULER
    .long request_priority          ; ROOT_PRIORITY
    .long ticks_sleep               ; ROOT_SLEEP
    .long watchdog_watch            ; ROOT_WATCH
    .long console_report            ; ROOT_PUMP
    .long request_device            ; ROOT_DEVICE
    .long request_dma               ; ROOT_DMA
    .long request_interrupt         ; ROOT_INTERRUPT
requests_end:

.assert requests_end - requests == (ROOT_INTERRUPT + 1) * 4, "requests needs a line for every request"
