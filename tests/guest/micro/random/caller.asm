; A random caller: does one thing after another with the kernel, for ever.
;
; What it is started with does not matter, nor what becomes of its stack: each turn begins anew.

.include "random.inc"

.text

; caller_born: where a caller begins. Whoever has no handler for exceptions leaves a line on the console, which takes time:
; so that is for few.
.global caller_born
caller_born:
    UTCB ecx
    mov dword ptr [ecx + UTCB_HANDLER], ROOT

; caller: one turn after another.
.global caller
caller:
    UTCB eax                    ; without a stack: nobody knows what ESP is
    mov eax, [eax + UTCB_ID]
    shr eax, ID_SHIFT
    sub eax, WITNESS
    and eax, THREADS - 1
    mov esp, [stacks + eax * 4]
    cld
    IN_ROOT .Lobedient
    CHANCE 64, .Lrelations      ; whom its faults go to
    CHANCE 16, .Lobedient
.Lturn:
    call random
    shr eax, 4
    and eax, 31
    jmp dword ptr [turns + eax * 4]
.Lobedient:                     ; a stranger who may set its EIP would have the root task's privileges
    UTCB ecx
    mov dword ptr [ecx + UTCB_HANDLER], ROOT
    mov dword ptr [ecx + UTCB_PAGER], ROOT
    jmp .Lturn
.Lrelations:
    UTCB ecx
    call any_id
    mov [ecx + UTCB_PAGER], eax
    call random
    test eax, 7
    jnz .Lturn
    call caller_id
    mov [ecx + UTCB_HANDLER], eax
    jmp .Lturn

; An IPC, in one of four ways.
turn_ipc:
    call any_tag
    mov esi, eax
    call any_message
    call any_id
    push eax
    call any_id
    mov edx, eax
    CHANCE 2, .Lboth
    mov edx, [esp]              ; a call
.Lboth:
    call any_timeouts
    mov ecx, eax
    call random
    UTCB ebp
    mov ebx, [ebp + UTCB_MR1]
    mov edi, [ebp + UTCB_MR2]
    test eax, 0x30000
    jz .Lint
    test eax, 0x3C0000
    jz .Lwild
    pop eax
    call KIP_CODE
    jmp caller
.Lint:
    pop eax
    int VECTOR_IPC
    jmp caller
.Lwild:                         ; SYSENTER with a stack that is none
    mov ebp, eax
    IN_ROOT caller
    pop eax
    sysenter
    ud2

; A short call and an answer, as those that do mean something: most of what takes the fast path.
turn_call:
    call random
    xor ecx, ecx
    test eax, 0x70000
    jz .Lnever
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT
    or ecx, [patience]
.Lnever:
    call caller_id
    mov edx, eax
    mov esi, 1
    test eax, 1 << ID_SHIFT
    jz .Lcall
    mov edx, ANY_THREAD         ; reply and wait
.Lcall:
    call KIP_CODE
    test esi, TAG_ERROR
    jnz caller
    mov edx, ANY_THREAD
    mov esi, 2
    test ebx, 3
    jnz .Lcall
    jmp caller

; Waiting for whoever sends, with an open window and some buffers.
turn_listen:
    UTCB edi
    mov dword ptr [edi + UTCB_BR0], FPAGE_COMPLETE | ACCEPT_STRINGS
    IN_ROOT .Lcautious
.Lbuffers:
    call any_buffers
    or dword ptr [edi + UTCB_BR1], ITEM_MORE | 0x400 << ITEM_SHIFT
    xor eax, eax
    mov edx, ANY_THREAD
    mov ecx, [patience]
    xor esi, esi
    CHANCE 8, .Lnever
.Lreceive:
    xor eax, eax
    call KIP_CODE
    test esi, TAG_ERROR
    jnz caller
    xor edx, edx                ; an answer, if it is waited for
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT
    mov ebp, esi
    mov esi, 3
    shr ebp, LABEL_SHIFT
    cmp ebp, LABEL_PREEMPTION
    je .Lstate
    cmp ebp, LABEL_EXCEPTION
    jne .Lanswer
.Lstate:                        ; to one who has lost the processor, or done something wrong: it begins anew
    test edi, 4
    jz .Lanswer
    mov esi, STATE_WORDS
    mov ebx, caller
.Lanswer:
    call KIP_CODE
    jmp caller
.Lnever:
    mov ecx, TIMEOUT_NEVER
    jmp .Lreceive
.Lcautious:
    mov dword ptr [edi + UTCB_BR0], WINDOW | 22 << FPAGE_SHIFT | ACCEPT_STRINGS
    jmp .Lbuffers

; A message with strings and maps, to somebody who may be listening; sometimes with a call's receive phase.
turn_deal:
    mov eax, 3
    call below
    inc eax
    shl eax, TAG_TYPED_SHIFT + 1
    mov esi, eax
    call random
    and eax, TAG_GRANT | 3
    or esi, eax
    mov eax, esi
    call any_message
    call random
    mov edx, eax
    call caller_id
    mov ecx, TIMEOUT_SOON << TIMEOUT_SEND_SHIFT
    or ecx, [patience]
    test edx, 0x700
    jnz .Lsoon
    xor ecx, ecx
.Lsoon:
    test edx, 0x1000
    mov edx, 0
    jz .Lsend
    mov edx, eax
.Lsend:
    UTCB ebp
    mov ebx, [ebp + UTCB_MR1]
    mov edi, [ebp + UTCB_MR2]
    call KIP_CODE
    jmp caller

; ExchangeRegisters, mostly with one of the same space.
turn_exchange:
    call any_id
    mov ebx, eax
    CHANCE 4, .Lcontrol
    call peer_id
    mov ebx, eax
.Lcontrol:
    call random
    mov ecx, eax
    and ecx, 0xFFF
    call random
    mov edx, eax
    call random
    mov edi, eax
    test eax, 3
    jz .Lrandom
    and ecx, ~EXREG_TOKEN
    test eax, 4
    jz .Lrandom
    and ecx, EXREG_CANCEL_RECEIVE | EXREG_CANCEL_SEND | EXREG_GRANT
.Lrandom:
    call any_address
    mov esi, eax
    IN_ROOT .Lcautious
    CHANCE 4, .Lcall
    mov esi, caller
.Lcall:
    mov eax, L4_EXCHANGE_REGISTERS
    int VECTOR_SYSCALL
    jmp caller
.Lcautious:                     ; a caller goes on at its beginning; the others are left alone
    mov esi, caller
    call caller_id
    mov ebx, eax
    jmp .Lcall

; Unmap of some pages.
turn_unmap:
    UTCB edi
    call random
    mov ebx, eax
    shr ebx, 16
    mov ecx, ebx
    and ecx, 3
    test eax, 7
    jz .Lrandom
    and ebx, UNMAP_FLUSH | 3
.Lrandom:
    call any_page
    mov [edi + UTCB_MR0 + ecx * 4], eax
    dec ecx
    jns .Lrandom
    IN_ROOT .Lcautious
.Lcall:
    mov esi, [edi + UTCB_MR0]
    mov eax, L4_UNMAP
    int VECTOR_SYSCALL
    jmp caller
.Lcautious:                     ; the watchdog's pages stay where they are
    and ebx, 3
    jmp .Lcall

; ThreadControl.
turn_control:
    call any_id
    mov ebx, eax
    call any_id
    mov ecx, eax
    call any_id
    mov edx, eax
    call any_id
    mov esi, eax
    IN_ROOT .Lcautious
.Lcall:
    mov eax, L4_THREAD_CONTROL
    int VECTOR_SYSCALL
    jmp caller
.Lcautious:                     ; on callers and strays, and nobody new comes into the root task's space
    call random
    mov ebp, eax
    call caller_id
    mov ebx, eax
    test ebp, 1
    jz .Lspace
    mov eax, STRAYS
    call below
    lea ebx, [eax + WITNESS + THREADS]
    shl ebx, ID_SHIFT
    or ebx, 1
    test ebp, 1 << 8
    jnz .Lspace
    test ebp, 3 << 9
    jz .Linterrupt
.Lspace:
    mov esi, ROOT
    mov eax, ebx                ; nobody else is scheduler of one of this space
    shr eax, ID_SHIFT
    sub eax, WITNESS + CALLER
    cmp eax, IN_ROOT_SPACE
    jae .Lscheduler
    mov edx, ROOT
.Lscheduler:
    test ebp, 3 << 11
    jnz .Lpager
    xor esi, esi                ; it has not begun, or stays as it was
.Lpager:
    xor ecx, ecx
    test ebp, 6
    jz .Lcall                   ; its end
    mov ecx, ebx
    test ebp, 24
    jz .Lcall                   ; a space of its own
    mov eax, THREADS - CALLER - IN_ROOT_SPACE
    call below
    mov ecx, [ids + (CALLER + IN_ROOT_SPACE) * 4 + eax * 4]
    jmp .Lcall
.Linterrupt:                    ; a line, but not the watchdog's timer, is attached to somebody, or to nobody
    mov eax, IRQ_THREADS - 1
    call below
    lea ebx, [eax + 1]
    shl ebx, ID_SHIFT
    or ebx, 1
    mov ecx, ebx
    xor edx, edx
    call any_id
    mov esi, eax
    jmp .Lcall

; ThreadSwitch, Schedule, Clock.
turn_schedule:
    call any_id
    mov ebx, eax
    call random
    mov ecx, eax
    shr ecx, 24
    mov edx, eax
    and edx, 0xFF
    mov esi, eax
    shr esi, 8
    and esi, 0xFF
    mov ebp, eax
    call random
    and eax, 3
    add eax, L4_THREAD_SWITCH
    cmp eax, L4_CLOCK
    je .Lcall
    cmp eax, L4_SCHEDULE
    jbe .Lcall
    mov eax, L4_SCHEDULE        ; -1s: what is asked more than set
    or ecx, -1
    or edx, -1
    test ebp, 1 << 31
    jz .Lcall
    or esi, -1
.Lcall:
    int VECTOR_SYSCALL
    jmp caller

; The console, and numbers of calls that there are not.
turn_console:
    call any_address
    mov ebx, eax
    call random
    mov ecx, eax
    mov edx, eax
    and ecx, 0x3F
    test eax, 0x1F00
    jnz .Lwrite
    mov ecx, eax
    mov eax, MICRO_CALLS
    test ecx, 0x20000
    jz .Lcall
    call random
    cmp eax, MICRO_CALLS
    ja .Lcall
.Lwrite:
    mov eax, KDB_WRITE
.Lcall:
    int VECTOR_SYSCALL
    jmp caller

; A call with everything in it random; none that ends the machine, if it may.
turn_anything:
    call random
    mov ebx, eax
    call random
    mov ecx, eax
    call random
    mov edx, eax
    call random
    mov esi, eax
    call random
    mov edi, eax
    call random
    mov ebp, eax
    IN_ROOT turn_ipc
    call random
    test ebp, 1
    jz .Lipc
    mov eax, MICRO_CALLS
    call below
    int VECTOR_SYSCALL
    jmp caller
.Lipc:
    int VECTOR_IPC
    jmp caller

; What programs do wrong, without saying a word.
turn_wrong:
    call random
    mov ecx, eax
    shr ecx, 16
    shr eax, 4
    and eax, 31
    jmp dword ptr [wrongs + eax * 4]
wrong_read:
    call any_address
    mov eax, [eax]
    jmp caller
wrong_write:
    IN_ROOT caller
    call any_address
    mov [eax], ecx
    jmp caller
wrong_jump:
    IN_ROOT caller
    call any_address
    jmp eax
wrong_stack:
    IN_ROOT caller
    call any_address
    mov esp, eax
    int VECTOR_IPC
    push eax
    jmp caller
wrong_privileged:
    hlt
wrong_interrupts:
    cli
wrong_port:
    in al, 0x21
wrong_invalid:
    ud2
wrong_gate:
    int 0x20
wrong_breakpoint:
    int3
wrong_divide:
    xor ecx, ecx
    div ecx
wrong_segment:                  ; data segments of all kinds, and into the kernel with them
    mov edx, ecx
    and edx, 7
    movzx edx, word ptr [selectors + edx * 2]
    test ecx, 8
    jz .Lextra
    push edx
    pop ds
    test ecx, 16
    jz .Lwhich
.Lextra:
    mov es, edx
.Lwhich:
    mov eax, L4_THREAD_SWITCH
    xor ebx, ebx
    test ecx, 32
    jz .Lcall
    xor eax, eax                ; an IPC with nobody
    xor edx, edx
    xor esi, esi
    test ecx, 64
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT | TIMEOUT_ZERO
    jz .Lipc
    mov ebp, esp
    push caller
    push ebp
    mov ebp, esp
    sysenter
.Lipc:
    int VECTOR_IPC
    jmp .Lback
.Lcall:
    int VECTOR_SYSCALL
.Lback:
    mov eax, ss
    mov ds, eax
    mov es, eax
    jmp caller
wrong_flags:                    ; any that a program may set, and into the kernel with them
    call random
    and eax, FLAGS_PROGRAM | FLAGS_NT
    push caller                 ; where KIP_RETURN returns to
    push 0
    mov ebp, esp
    push eax
    xor eax, eax
    xor edx, edx
    xor ecx, ecx
    xor esi, esi
    popfd
    sysenter
wrong_flags_int:
    call random
    and eax, FLAGS_PROGRAM | FLAGS_NT
    push eax
    popfd
    or eax, -1
    int VECTOR_SYSCALL
    jmp caller

.rodata

.align 4
turns:
    .long turn_ipc, turn_ipc, turn_ipc, turn_ipc, turn_ipc, turn_ipc, turn_call, turn_call
    .long turn_call, turn_call, turn_listen, turn_listen, turn_listen, turn_listen, turn_listen, turn_listen
    .long turn_deal, turn_deal, turn_deal, turn_deal, turn_deal, turn_deal, turn_deal, turn_exchange
    .long turn_exchange, turn_unmap, turn_unmap, turn_control, turn_schedule, turn_console, turn_anything, turn_wrong
wrongs:
    .long wrong_read, wrong_read, wrong_read, wrong_write, wrong_write, wrong_jump, wrong_stack, wrong_stack
    .long wrong_privileged, wrong_interrupts, wrong_port, wrong_invalid, wrong_gate, wrong_breakpoint, wrong_divide
    .long wrong_flags, wrong_flags, wrong_flags_int, wrong_flags_int
    .rept 13
    .long wrong_segment
    .endr
selectors:                      ; nothing, the right one, code, the kernel's, the TSS, none
    .word 0, 3, SEL_UDATA, SEL_UCODE, SEL_KDATA, SEL_UDATA & ~SEL_RPL, SEL_TSS, 0x3F
