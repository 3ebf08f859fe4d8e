; Exceptions and page faults of programs, as messages to whom it concerns; and the kernel's own, which end it.
;
; Owns what happens when nobody takes such a message. entry.asm's trap_table comes here, EBP = the thread that it happened to.

.include "micro.inc"

OPCODE_HLT = 0xF4

.text

; page_fault: the pager brings the page, or for the root task the kernel, as far as it is memory for programs.
;   in    EBP = KTCB
;   out   does not return
.global page_fault
page_fault:
    mov ebx, cr2
    mov [ebp + KTCB_FAULT_ADDRESS], ebx
    cmp ebx, UTCB_BASE
    jae exception               ; nothing can ever be there: no pager's business
    cmp dword ptr [ebp + KTCB_SPACE], root_directory - KERNEL_BASE
    jne .Lpager
    mov eax, ebx
    mov edx, [ebp + KTCB_ERROR]
    shr edx, 1                  ; bit 1 of the error code: it was a write (volume 3A, 4.7)
    and edx, 1
    call space_root_fault
    jnc resume
.Lpager:
    mov eax, LABEL_PAGE_FAULT | FAULT_WRITE
    test dword ptr [ebp + KTCB_ERROR], 2
    jnz .Lsend
    mov eax, LABEL_PAGE_FAULT | FAULT_EXECUTE
    cmp ebx, [ebp + KTCB_EIP]
    je .Lsend
    mov eax, LABEL_PAGE_FAULT | FAULT_READ
.Lsend:
    mov [ebp + KTCB_FAULT_LABEL], eax
    mov eax, ebp
    mov edx, [ebp + KTCB_UTCB]
    mov edx, [edx + UTCB_PAGER]
    mov ecx, KIND_PAGE_FAULT
    call message_send
    jnc ipc_give
    jmp fault_unheard

; protection: #GP. Unusable segment registers may be another program's doing, and HLT may be allowed.
;   in    EBP = KTCB
;   out   does not return
.global protection
protection:
    call segments_repair
    jnc resume
    call sched_may_halt
    jc exception
    ; HLT? The byte may lie on a page that is not there.
    mov eax, [ebp + KTCB_SPACE]
    add eax, KERNEL_BASE
    mov edx, [ebp + KTCB_EIP]
    mov ecx, PTE_U
    call space_find_page
    jc exception
    cmp byte ptr [eax], OPCODE_HLT
    jne exception
    ; Not if somebody waits to send to it: that may be the very interrupt that it wants to wait for.
    inc dword ptr [ebp + KTCB_EIP]
    cmp dword ptr [ebp + KTCB_SENDERS], 0
    jne resume
    ; The next interrupt ends it; it drops this way through the kernel, and the thread goes on behind the instruction.
.Lhalt:
    sti
    hlt
    jmp .Lhalt

; exception: any other.
;   in    EBP = KTCB
;   out   does not return
.global exception
exception:
    mov ecx, [ebp + KTCB_VECTOR]
    mov edx, VECTORS_OF_THE_MACHINE
    bt edx, ecx
    jc .Lmachine
    mov eax, ebp
    mov edx, [ebp + KTCB_UTCB]
    mov edx, [edx + UTCB_HANDLER]
    mov ecx, KIND_EXCEPTION
    call message_send
    jnc ipc_give
    jmp fault_unheard
.Lmachine:
    lea ebx, [ebp + KTCB_VECTOR - FRAME_VECTOR]
    jmp fault_panic

; fault_unheard: nobody takes the message: the thread stops, with a line on the console. A fault of the root task ends the
; machine, with EXIT_FAULT and the vector.
;   in    EBP = KTCB with the KTCB_KIND of the message
;
;     thread 33.1: page fault (#PF), error code 0x6, address 0x0, at 0x8048005: no pager
fault_unheard:
    mov dword ptr [ebp + KTCB_STATE], IS_HALTED
    lea ebx, [ebp + KTCB_VECTOR - FRAME_VECTOR]
    mov esi, [ebp + KTCB_FAULT_ADDRESS]
    mov eax, text_thread
    call console_string
    mov eax, [ebp + KTCB_ID]
    shr eax, ID_SHIFT
    call console_decimal
    mov al, '.'
    call console_char
    mov eax, [ebp + KTCB_ID]
    and eax, ID_VERSION
    call console_decimal
    mov eax, text_colon
    call console_string
    call fault_what
    mov eax, [ebx + FRAME_EIP]
    call console_hex
    mov eax, text_no_pager
    cmp dword ptr [ebp + KTCB_KIND], KIND_PAGE_FAULT
    je .Lwhy
    mov eax, text_no_handler
.Lwhy:
    call console_string
    cmp dword ptr [ebp + KTCB_SPACE], root_directory - KERNEL_BASE
    je .Lroot
    call sched_idle
    jmp run
.Lroot:
    mov eax, [ebp + KTCB_VECTOR]
    add eax, EXIT_FAULT
    jmp machine_end

; kernel_fault: an exception in the kernel itself.
;   in    ESP = a stack from the vector up
;   out   does not return
.global kernel_fault
kernel_fault:
    lea ebx, [esp - FRAME_VECTOR]
    mov esi, cr2

; fault_panic: the end. EBX = where the vector is, as in a FRAME.
fault_panic:
    call panic_begin
    call fault_what
    mov eax, [ebx + FRAME_EIP]
    call console_hex
    jmp panic_end

.rodata

text_thread:
    .asciz "thread "
text_colon:
    .asciz ": "
text_no_pager:
    .asciz ": no pager\n"
text_no_handler:
    .asciz ": no exception handler\n"
