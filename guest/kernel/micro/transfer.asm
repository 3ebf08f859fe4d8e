; Transfers: a message from one thread's message registers to another's, with its strings and maps.
;
; Owns KTCB_TRANSFER and IS_TRANSFER. ipc.asm comes here with ESI = sender and EDI = receiver, which stay so throughout; one
; of the two is the current thread, EBP, and drives the transfer. Words are copied at once. Strings and maps may have to
; wait for a page: then the one whose page it is asks its pager, and drives when it has the answer. Strings are copied
; through the window, page by page, so the kernel itself never faults; between two pieces an interrupt may come.

.include "micro.inc"

BUFFER_WORDS = 2                ; buffer registers of a buffer

.text

; transfer: the message of the sender to the receiver, which takes it.
;   in    ESI = KTCB of the sender, whose frame and UTCB hold the message; EDI = KTCB of the receiver
;         EBX = as in ipc.asm; 0 if the message has typed items
;   out   does not return: ipc_receive, ipc_both, or somebody else runs
.global transfer
transfer:
    mov eax, esi
    cmp esi, ebp
    jne .Lstop
    mov eax, edi
.Lstop:
    call timeout_stop                   ; of the one that has waited
    cmp dword ptr [edi + KTCB_KIND], KIND_USER
    jne message_reply

    ; The words, typed ones included: they tell the receiver what came with them.
    mov eax, [esi + KTCB_ESI]
    mov ecx, eax
    mov edx, eax
    and ecx, TAG_UNTYPED
    and edx, TAG_TYPED
    shr edx, TAG_TYPED_SHIFT
    mov eax, ecx
    inc eax                             ; where typed items begin
    add ecx, edx
    push esi
    push edi
    mov esi, [esi + KTCB_UTCB]
    mov edi, [edi + KTCB_UTCB]
    add esi, UTCB_MR1
    add edi, UTCB_MR1
    rep movsd
    pop edi
    pop esi
    test edx, edx
    jz transfer_done

    ; Items, one after the other, with the place kept in the KTCBs.
    mov [esi + KTCB_ITEM], eax
    mov dword ptr [esi + KTCB_OFFSET], 0
    mov dword ptr [edi + KTCB_BUFFER], 1
    mov dword ptr [esi + KTCB_TRANSFER], PART_SENDER
    mov dword ptr [edi + KTCB_TRANSFER], PART_RECEIVER
    mov [esi + KTCB_PEER], edi
    mov [edi + KTCB_PEER], esi
    mov dword ptr [edi + KTCB_WAIT], 0
    mov dword ptr [edi + KTCB_KWAIT], 0
    mov dword ptr [esi + KTCB_STATE], IS_TRANSFER
    mov dword ptr [edi + KTCB_STATE], IS_TRANSFER
    mov dword ptr [ebp + KTCB_STATE], IS_RUNNING
    jmp transfer_items

; transfer_continue: the KTCB_RESUME of the thread that drives a transfer.
;   in    EBP = KTCB of one of the two
;   out   does not return
.global transfer_continue
transfer_continue:
    mov dword ptr [ebp + KTCB_RESUME], resume_user
    xor ebx, ebx
    mov esi, ebp
    mov edi, [ebp + KTCB_PEER]
    cmp dword ptr [ebp + KTCB_TRANSFER], PART_SENDER
    je transfer_items
    xchg esi, edi

; transfer_items: the next piece of the next typed item. All is read anew for each piece, as a program may change it.
transfer_items:
    ; Two words of it.
    mov eax, [esi + KTCB_ESI]
    mov edx, eax
    and eax, TAG_UNTYPED
    and edx, TAG_TYPED
    shr edx, TAG_TYPED_SHIFT
    add edx, eax                        ; the last message register of the message
    mov ecx, [esi + KTCB_ITEM]
    cmp ecx, edx
    jae transfer_done                   ; not two words left
    mov edx, [esi + KTCB_UTCB]
    mov eax, [edx + ecx * 4 + UTCB_MR0]
    mov edx, [edx + ecx * 4 + UTCB_MR1]
    mov [transfer_item], eax
    mov [transfer_item_address], edx
    and eax, ITEM_KIND
    jz transfer_string
    cmp eax, ITEM_MAP
    je .Lmap
    cmp eax, ITEM_GRANT
    jne .Loverflow

    ; A map: into the window that the receiver offers.
.Lmap:
    mov eax, [edi + KTCB_UTCB]
    mov eax, [eax + UTCB_BR0]
    mov [map_window], eax
    mov eax, esi
    mov edx, edi
    mov ecx, transfer_item
    call map_item
    jc .Loverflow
.Lnext:
    add dword ptr [esi + KTCB_ITEM], 2
    jmp transfer_items
.Loverflow:
    mov edx, IPC_OVERFLOW
    jmp transfer_failed

; transfer_string: a piece of a string, or its end.
transfer_string:
    ; The receiver's buffer: EDX = its address; the string fits.
    mov ecx, [edi + KTCB_UTCB]
    test dword ptr [ecx + UTCB_BR0], ACCEPT_STRINGS
    jz .Loverflow
    mov eax, [edi + KTCB_BUFFER]
    cmp eax, BR_COUNT - 1
    jae .Loverflow
    mov edx, [ecx + eax * 4 + UTCB_BR1]
    mov eax, [ecx + eax * 4 + UTCB_BR0]
    test eax, ITEM_KIND
    jnz .Loverflow
    shr eax, ITEM_SHIFT
    mov ecx, [transfer_item]
    shr ecx, ITEM_SHIFT
    cmp ecx, eax
    ja .Loverflow

    ; What is left: ECX bytes from EAX to EDX.
    mov eax, [esi + KTCB_OFFSET]
    sub ecx, eax
    jb .Loverflow                       ; somebody has shortened it meanwhile
    jz .Lend
    add edx, eax
    jc .Loverflow
    add eax, [transfer_item_address]
    jc .Loverflow
    cmp eax, UTCB_BASE
    jae .Loverflow
    cmp edx, UTCB_BASE
    jae .Loverflow

    ; As far as both pages go.
    push ebx
    mov ebx, eax
    or ebx, ~(PAGE_SIZE - 1)
    neg ebx                             ; bytes to the end of its page
    cmp ecx, ebx
    jbe .Lsource
    mov ecx, ebx
.Lsource:
    mov ebx, edx
    or ebx, ~(PAGE_SIZE - 1)
    neg ebx
    cmp ecx, ebx
    jbe .Lboth
    mov ecx, ebx
.Lboth:
    pop ebx
    mov [transfer_length], ecx
    mov [transfer_to], edx
    mov [transfer_from], eax

    ; Where they are in the window.
    mov edx, eax
    mov eax, [esi + KTCB_SPACE]
    add eax, KERNEL_BASE
    mov ecx, PTE_U
    call space_find_page
    mov edx, [transfer_from]
    mov ecx, FAULT_READ
    push esi
    jc .Lfault
    pop ecx
    push eax
    mov edx, [transfer_to]
    mov eax, [edi + KTCB_SPACE]
    add eax, KERNEL_BASE
    mov ecx, PTE_U | PTE_W
    call space_find_page
    pop ecx
    mov edx, ecx
    push edi
    jc .Lfault_write

    ; Copy.
    add esp, 4
    mov ecx, [transfer_length]
    add [esi + KTCB_OFFSET], ecx
    push esi
    push edi
    mov esi, edx
    mov edi, eax
    mov eax, ecx
    shr ecx, 2
    rep movsd
    mov ecx, eax
    and ecx, 3
    rep movsb
    pop edi
    pop esi

    ; Let an interrupt in, if one waits. It drops this way through the kernel; the thread continues when it runs again.
    mov dword ptr [ebp + KTCB_RESUME], transfer_continue
    sti
    nop
    cli
    mov dword ptr [ebp + KTCB_RESUME], resume_user
    jmp transfer_items

    ; The end of the string: to the next item and the next buffer, if there is one.
.Lend:
    mov [esi + KTCB_OFFSET], ecx        ; 0
    add dword ptr [esi + KTCB_ITEM], 2
    mov ecx, [edi + KTCB_UTCB]
    mov eax, [edi + KTCB_BUFFER]
    test dword ptr [ecx + eax * 4 + UTCB_BR0], ITEM_MORE
    lea eax, [eax + BUFFER_WORDS]
    jnz .Lbuffer
    mov eax, BR_COUNT
.Lbuffer:
    mov [edi + KTCB_BUFFER], eax
    jmp transfer_items
.Loverflow:
    mov edx, IPC_OVERFLOW
    jmp transfer_failed

    ; A page is missing, or is a device's: on the stack is whose.
.Lfault_write:
    mov edx, [transfer_to]
    mov ecx, FAULT_WRITE
.Lfault:
    test eax, eax
    pop eax
    jnz .Loverflow

; transfer_fault: the pager of one of the two must bring a page; that one drives from now on.
;   in    EAX = KTCB of the one, EDX = address, ECX = FAULT_ bits
transfer_fault:
    push eax
    push edx
    push ecx
    mov ecx, [eax + KTCB_SPACE]
    cmp ecx, root_directory - KERNEL_BASE
    jne .Lask
    mov eax, edx
    mov edx, [esp]
    shr edx, 1                          ; FAULT_WRITE as 1
    and edx, 1
    call space_root_fault
    jc .Lask
    add esp, 12
    jmp transfer_items
.Lask:
    pop ecx
    pop edx
    pop eax
    mov dword ptr [esi + KTCB_STATE], IS_TRANSFER
    mov dword ptr [edi + KTCB_STATE], IS_TRANSFER
    mov [eax + KTCB_FAULT_ADDRESS], edx
    add ecx, LABEL_PAGE_FAULT
    mov [eax + KTCB_FAULT_LABEL], ecx
    mov dword ptr [eax + KTCB_RESUME], transfer_continue
    push eax
    mov edx, [eax + KTCB_UTCB]
    mov edx, [edx + UTCB_PAGER]
    mov ecx, [eax + KTCB_PEER]
    cmp edx, [ecx + KTCB_ID]            ; the other one waits itself, for this
    stc
    je .Lasked
    mov ecx, KIND_PAGE_FAULT
    call message_send
.Lasked:
    pop edx
    jnc ipc_give

    ; Nobody to ask: EDX is the one whose page it is.
    mov dword ptr [edx + KTCB_KIND], KIND_USER
    mov dword ptr [edx + KTCB_RESUME], resume_user
    cmp edx, esi
    mov edx, IPC_FAULT_MINE
    je transfer_failed
    mov edx, IPC_FAULT_PARTNER

; transfer_failed: the transfer ends with an error, for both.
;   in    EDX = IPC_ code for the sender
transfer_failed:
    push edx
    mov eax, esi
    call ipc_result_error
    pop edx
    ; What is mine for the one is the partner's for the other.
    cmp edx, IPC_FAULT_MINE
    je .Lother
    cmp edx, IPC_FAULT_PARTNER
    jne .Lreceiver
.Lother:
    xor edx, IPC_FAULT_MINE ^ IPC_FAULT_PARTNER
.Lreceiver:
    or edx, IPC_RECEIVE_PHASE
    mov eax, edi
    call ipc_result_error
    call transfer_end
    cmp esi, ebp
    je .Lsender
    mov dword ptr [esi + KTCB_STATE], IS_RUNNING
    mov edi, esi
    jmp ipc_both
.Lsender:
    mov ebx, edi
    xor edi, edi
    jmp ipc_both

; transfer_done: the receiver has it all.
transfer_done:
    mov eax, [esi + KTCB_ID]
    mov ecx, [esi + KTCB_ESI]
    mov [edi + KTCB_EAX], eax
    and ecx, ~TAG_FLAGS
    mov [edi + KTCB_ESI], ecx
    mov eax, [edi + KTCB_UTCB]
    mov ecx, [eax + UTCB_MR1]
    mov edx, [eax + UTCB_MR2]
    mov [edi + KTCB_EBX], ecx
    mov [edi + KTCB_EDI], edx
    call transfer_end
    EXTENSION KIP_BUDGET, budget_message
    cmp esi, ebp
    jne .Lfetched
    mov ebx, edi
    jmp ipc_receive
.Lfetched:
    mov eax, esi
    call ipc_sender_goes_on
    mov edi, eax
    jmp ipc_both

; transfer_end: neither is in a transfer any more, and the receiver can run.
;   in    ESI, EDI
transfer_end:
    mov dword ptr [esi + KTCB_TRANSFER], PART_NONE
    mov dword ptr [edi + KTCB_TRANSFER], PART_NONE
    mov dword ptr [edi + KTCB_WAIT], 0
    mov dword ptr [edi + KTCB_KWAIT], 0
    mov dword ptr [edi + KTCB_STATE], IS_RUNNING
    ret

; transfer_leave: a thread leaves the transfer that it is in, whatever it waits for; the other one's IPC fails.
;   in    EAX = KTCB, not the current thread; EDX = IPC_ code for the other one, without its phase
;   out   EAX = KTCB of the other one if it can run now and could not before, else 0
;         the thread's own state is the caller's to set
.global transfer_leave
transfer_leave:
    push ebx
    mov ebx, [eax + KTCB_PEER]
    mov dword ptr [eax + KTCB_TRANSFER], PART_NONE
    mov dword ptr [eax + KTCB_RESUME], resume_user
    cmp dword ptr [ebx + KTCB_TRANSFER], PART_SENDER
    je .Lresult
    or edx, IPC_RECEIVE_PHASE
.Lresult:
    mov eax, ebx
    call ipc_result_error
    mov dword ptr [ebx + KTCB_TRANSFER], PART_NONE
    mov dword ptr [ebx + KTCB_RESUME], resume_user
    ; If it drives the transfer and has lost the processor meanwhile, it goes on when it gets it back.
    cmp dword ptr [ebx + KTCB_STATE], IS_RUNNING
    je .Llater
    cmp dword ptr [ebx + KTCB_KIND], KIND_PREEMPTION
    je .Llater
    mov eax, ebx
    call ipc_unlink                     ; from its pager, if it asks
    mov dword ptr [ebx + KTCB_KIND], KIND_USER
    mov dword ptr [ebx + KTCB_STATE], IS_RUNNING
    mov eax, ebx
    pop ebx
    ret
.Llater:
    xor eax, eax
    pop ebx
    ret

.bss

.align 4
transfer_item:                  ; the item at work: its two words, as they were when they were looked at
    .space 4
transfer_item_address:
    .space 4
transfer_from:                  ; the piece at work: where from,
    .space 4
transfer_to:                    ;   where to,
    .space 4
transfer_length:                ;   how many bytes
    .space 4
