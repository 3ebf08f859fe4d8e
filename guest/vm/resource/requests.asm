; What virtual machines ask of the resource monitor, and what they do wrong.

.include "lib/micro/user.inc"

.text

; machine_message: a message of main's or monitor's, but a preemption.
;   in    EBP = MACHINE, EAX = from whom, ESI = tag, EBX = MR1, EDI = MR2
;   out   MACHINE_TO and so on; ESI, EBX, EDI destroyed. A fault, and the last VM_EXIT, end the machine
.global machine_message
machine_message:
    shr esi, LABEL_SHIFT
    cmp esi, LABEL_EXCEPTION
    je machine_exception
    cmp esi, LABEL_PAGE_FAULT
    jae .Lpage
    mov [ebp + MACHINE_TO], eax
    mov dword ptr [ebp + MACHINE_TAG], 1
    mov dword ptr [ebp + MACHINE_STATE], MACHINE_READY
    cmp esi, VM_IDLE
    je .Lidle
    cmp esi, VM_DONE
    je .Ldone
    cmp esi, VM_THREAD
    je .Lthread
    cmp esi, VM_THREAD_END
    je .Lend
    cmp esi, VM_PRINT
    je .Lprint
    cmp esi, VM_EXIT
    je .Lexit
    mov dword ptr [ebp + MACHINE_MR1], 0
    ret
.Lpage:
    mov dword ptr [ebp + MACHINE_STATE], MACHINE_READY
    push ebx
    call machine_fault
    pop ebx
    jnc .Lreturn
    mov dword ptr [fault_vector], EXC_PF
    mov eax, ebx
    jmp machine_fail

    ; Nothing to do, unless something has come meanwhile.
.Lidle:
    mov eax, [ebp + MACHINE_MEMORY]
    cmp dword ptr [eax + VMINFO_PENDING], 0
    jne .Ldone
    mov dword ptr [ebp + MACHINE_STATE], MACHINE_IDLE
.Ldone:
    test bl, VM_NIC
    jnz resource_open           ; the policy's
.Lreturn:
    ret

.Lthread:
    call machine_slot
    jc .Lanswer
    push edi
    mov esi, [ebp + MACHINE_MAIN]
    mov edx, eax
    mov ecx, esi
    mov edi, VM_PRIORITY_PROGRAM
    push eax
    call resource_thread        ; the policy's
    pop edx
    pop edi
    test eax, eax
    jz .Lanswer
    mov eax, edx
    jmp .Lanswer
.Lend:
    call machine_slot
    jc .Lanswer
    mov edx, NIL_THREAD
    mov ecx, NIL_THREAD
    mov esi, NIL_THREAD
    call thread_control
.Lanswer:
    mov [ebp + MACHINE_MR1], eax
    ret

    ; Until a line's end the console is one's own.
.Lprint:
    xor eax, eax
    cmp [console_owner], eax
    je .Lfree
    cmp [console_owner], ebp
    jne .Lanswer
.Lfree:
    cmp ebx, VM_PRINT_MAX
    ja .Lanswer
    mov [console_text], edi     ; MR2; the rest of the text is where the kernel cannot read it
    UTCB esi
    add esi, UTCB_MR3
    mov edi, console_text + 4
    mov ecx, VM_PRINT_MAX / 4 - 1
    rep movsd
    mov eax, console_text
    mov edx, ebx
    call kdb_write
    mov [console_owner], ebp
    test eax, eax
    jz .Lanswer
    mov edx, eax
    dec edx
    cmp byte ptr [console_text + edx], '\n'
    jne .Lanswer
    mov dword ptr [console_owner], 0
    jmp .Lanswer

.Lexit:
    mov dword ptr [ebp + MACHINE_STATE], MACHINE_NONE
    cmp ebp, machines
    jne .Lothers
    mov [exit_code], ebx
.Lothers:
    cmp [console_owner], ebp
    jne .Lleft
    mov dword ptr [console_owner], 0
.Lleft:
    dec dword ptr [machines_left]
    jnz .Lreturn
    mov eax, [exit_code]
    jmp kdb_exit

; machine_slot: the identifier of a program's thread.
;   in    EBP = MACHINE, EBX = slot
;   out   EAX = identifier; CF set: EAX = 0: there is no such slot
machine_slot:
    lea eax, [ebx - VM_PROGRAM_SLOT]
    cmp eax, VM_PROGRAMS
    cmc
    mov eax, 0
    jc .Lreturn
    mov eax, ebx
    shl eax, ID_SHIFT
    add eax, [ebp + MACHINE_MONITOR]    ; CF is clear
.Lreturn:
    ret

; machine_exception: main or monitor has done something wrong.
;   in    EBP = MACHINE; the STATE in the UTCB
;   out   does not return
machine_exception:
    UTCB edx
    mov eax, [edx + UTCB_MR1 + STATE_VECTOR]
    mov [fault_vector], eax
    mov edi, [edx + UTCB_MR1 + STATE_EIP]
    xor eax, eax

; machine_fail: the end: a virtual machine's guest operating system is broken.
;   in    EBP = MACHINE, EAX = address of a page fault, EDI = EIP, fault_vector
;   out   does not return
machine_fail:
    push eax
    mov eax, text_machine
    call print_string
    mov eax, [ebp + MACHINE_MEMORY]
    mov eax, [eax + VMINFO_NUMBER]
    call print_decimal
    mov eax, text_exception
    call print_string
    mov eax, [fault_vector]
    call print_decimal
    mov eax, text_address
    call print_string
    pop eax
    call print_hex
    mov eax, text_at
    call print_string
    mov eax, edi
    call print_hex
    mov al, '\n'
    call print_char
    mov eax, [fault_vector]
    add eax, EXIT_FAULT
    jmp kdb_exit

.assert VM_PRINT_MAX % 4 == 0, "a text is whole words"
.assert VM_MONITOR_SLOT == 0, "machine_slot counts from monitor on"

.rodata

text_machine:
    .asciz "virtual machine "
text_exception:
    .asciz ": exception "
text_address:
    .asciz ", address "
text_at:
    .asciz ", at "

.data

.align 4
exit_code:                      ; what the machine will end with
    .long EXIT_NOT_STARTED

.bss

.align 4
console_owner:                  ; MACHINE that is amid a line, or 0
    .space 4
console_text:                   ; what goes to the console
    .space VM_PRINT_MAX
fault_vector:                   ; of what a guest operating system has done
    .space 4
