; System calls, which programs make by an instruction that main gets as their exception; and what else they do.
;
; Owns what becomes of a program's message. A call is the first kernel's, or one of guest/sockets: it ends at once, or its
; program waits, and the whole call is made again when it goes on.

.include "lib/micro/user.inc"

GUEST_ERROR = VECTOR_GUEST * 8 + 2      ; error code of INT VECTOR_GUEST: a vector of the IDT (volume 3A, 6.13)

.text

; program_message: a message of a program's, or of the kernel's in its name.
;   in    EBP = VT, ESI = tag; the rest in the UTCB
;   out   CF set: it does not go on for now. ESI, EBX, EDI destroyed
.global program_message
program_message:
    mov [caller], ebp
    UTCB ebx
    add ebx, UTCB_MR1
    shr esi, LABEL_SHIFT
    mov dword ptr [ebp + VT_TAG], 0
    cmp esi, LABEL_PREEMPTION
    je .Lpreempted
    cmp esi, LABEL_EXCEPTION
    je .Lexception
    cmp esi, LABEL_PAGE_FAULT
    jb .Lstrange
    lea edx, [esi - LABEL_PAGE_FAULT]
    mov eax, [ebx]
    call program_fault
    jc .Lpage
.Lgoes_on:
    clc
    ret

    ; As it was; but one that has asked for it by a call of the kernel lets the others run first.
.Lpreempted:
    cmp dword ptr [ebx + STATE_VECTOR], PREEMPTED_SWITCH
    jne .Lgoes_on
    mov eax, ebp
    call program_yields         ; the policy's
    jmp .Lgoes_on

.Lexception:
    mov dword ptr [ebp + VT_TAG], STATE_WORDS
    cmp dword ptr [ebx + STATE_VECTOR], EXC_GP
    jne .Lfault
    cmp dword ptr [ebx + STATE_ERROR], GUEST_ERROR
    jne .Lfault
    cmp dword ptr [ebp + VT_STATUS], VT_NEW
    je .Lbegins
    mov esi, ebx
    lea edi, [ebp + VT_STATE]
    mov ecx, STATE_WORDS
    rep movsd
    add dword ptr [ebp + VT_STATE + STATE_EIP], 2       ; behind the INT
    jmp system_call

    ; It begins: all else is ready. It cannot wait for anything yet.
.Lbegins:
    mov eax, [ebp + VT_MODULE]
    mov eax, [eax + MODULE_START]
    mov eax, [eax + EHDR_ENTRY]
    mov [ebp + VT_STATE + STATE_EIP], eax
    mov dword ptr [ebp + VT_STATE + STATE_EFLAGS], FLAGS_USER
    mov dword ptr [ebp + VT_STATUS], VT_READY
    clc
    ret

    ; A message that is none of the kernel's: a program that sends such waits for an answer that it will not get.
.Lstrange:
    stc
    ret

    ; name: exception 14, address 0x0, at 0x8048005
.Lpage:
    mov esi, EXC_PF
    mov edi, [ebx]              ; MR1
    mov ebx, [ebx + UTCB_MR2 - UTCB_MR1]
    push text_address
    jmp .Lwrong
    ; name: exception 13, error code 0x0, at 0x8048005
.Lfault:
    mov esi, [ebx + STATE_VECTOR]
    mov edi, [ebx + STATE_ERROR]
    mov ebx, [ebx + STATE_EIP]
    push text_error
.Lwrong:
    call program_name
    mov eax, text_exception
    call print_string
    mov eax, esi
    call print_decimal
    pop eax
    call print_string
    mov eax, edi
    call print_hex
    mov eax, text_at
    call print_string
    mov eax, ebx
    call print_hex
    mov al, '\n'
    call print_char
    lea eax, [esi + EXIT_FAULT]
    call program_stop
    stc
    ret

; program_answer: makes the answer ready that a program waits for, but its tag and its first two words.
;   in    EBP = VT
;   out   ESI, EDI destroyed
.global program_answer
program_answer:
    cmp dword ptr [ebp + VT_TAG], STATE_WORDS
    jne .Lreturn                ; it has no more
    UTCB edi
    add edi, UTCB_MR3
    lea esi, [ebp + VT_STATE + STATE_VECTOR]
    mov ecx, STATE_WORDS - 2
    rep movsd
.Lreturn:
    ret

; system_call: what a program asks for; also once more, when it goes on.
;   in    EBP = VT, whose VT_STATE says what
;   out   CF set: it waits, or has ended; else the result is in its VT_STATE. EBX, ESI, EDI destroyed
.global system_call
system_call:
    mov [caller], ebp
    mov dword ptr [ebp + VT_STATUS], VT_READY
    mov eax, [ebp + VT_STATE + STATE_EAX]
    mov ebx, [ebp + VT_STATE + STATE_EBX]
    mov esi, [ebp + VT_STATE + STATE_ESI]
    mov edi, [ebp + VT_STATE + STATE_EDI]
    cmp eax, SYSCALL_COUNT
    jae .Lsocket
    jmp dword ptr [system_calls + eax * 4]
.Lsocket:
    cmp eax, SYS_SOCKET_END
    jae call_unknown
    call socket_call
    jc call_waits
call_result:
    mov [ebp + VT_STATE + STATE_EAX], eax
    clc
    ret
call_waits:
    mov [ebp + VT_SOCKET], eax
    mov dword ptr [ebp + VT_STATUS], VT_WAITS
    ret
call_unknown:
    mov eax, ERR_CALL
    jmp call_result

call_write:
    cmp esi, WRITE_MAX
    jbe .Lcheck
    mov esi, WRITE_MAX
.Lcheck:
    mov eax, ebx
    mov edx, esi
    xor ecx, ecx
    call user_memory
    jc .Lbad
    mov edx, esi
    call write_line
    mov eax, esi
    jmp call_result
.Lbad:
    mov eax, ERR_ADDRESS
    jmp call_result

call_yield:
    mov eax, ebp
    call program_yields         ; the policy's
    xor eax, eax
    jmp call_result

call_exit:
    mov eax, ebx
    call program_end
    stc
    ret

call_time:
    call ticks_now
    imul edx, [KIP_BASE + KIP_TICK_US], 1000
    mul edx
    mov [ebp + VT_STATE + STATE_EBX], edx
    jmp call_result

call_sleep:
    call ticks_now
    add ebx, eax
    mov [ebp + VT_WAKE], ebx
    mov dword ptr [ebp + VT_STATUS], VT_SLEEPS
    mov dword ptr [ebp + VT_STATE + STATE_EAX], 0
    stc
    ret

call_self:
    mov eax, ebp
    sub eax, programs
    xor edx, edx
    mov ecx, VT_SIZE
    div ecx
    inc eax
    jmp call_result

; socket_wake: something has happened with a socket.
;   in    EAX = VT, EDX = SOCKET
.global socket_wake
socket_wake:
    cmp dword ptr [eax + VT_STATUS], VT_WAITS
    jne .Lreturn
    mov ecx, [eax + VT_SOCKET]
    jecxz .Lwakes
    cmp ecx, edx
    jne .Lreturn
.Lwakes:
    mov dword ptr [eax + VT_STATUS], VT_RETRY
    jmp program_wakes           ; the policy's
.Lreturn:
    ret

.rodata

.align 4
system_calls:                   ; by number
    .long call_write            ; SYS_WRITE
    .long call_yield            ; SYS_YIELD
    .long call_exit             ; SYS_EXIT
    .long call_time             ; SYS_TIME
    .long call_sleep            ; SYS_SLEEP
    .long call_self             ; SYS_SELF
system_calls_end:
text_exception:
    .asciz ": exception "
text_address:
    .asciz ", address "
text_error:
    .asciz ", error code "
text_at:
    .asciz ", at "

.assert system_calls_end - system_calls == SYSCALL_COUNT * 4, "system_calls needs a line for every number"
