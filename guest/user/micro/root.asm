; The root task: everybody's pager, exception handler and, in `uls`, the root scheduler.
;
; Owns the order in which things happen: one thread, one loop. Each turn gives the processor to somebody, waits for a
; message, and takes whatever else is pending, for a tick may come with the preemption of whom it interrupted, and a
; preemption with another one (Stoess 2007, 3.3.2). Then the policy (sched_*.asm) knows all, and says who is next.
;
; Every message but an interrupt's comes from a client, and a client waits until it is answered: with a page, with what
; it asked for, or with the processor. The answer stands in its CLIENT until the policy chooses it.

.include "lib/micro/user.inc"

.text

; main: prepares everything, starts the programs of the image, and never ends.
;   in    EDX = KIP_ bits
;   out   does not return
.global main
main:
    mov [features], edx
    call clients_init
    call leases_init
    call console_init
    call ticks_init
    call programs_init

root_loop:
    call sched_next
    test eax, eax
    jz .Lnobody
    mov [current], eax
    call watchdog_note
    mov dword ptr [ticks_new], 0
    mov esi, [eax + CLIENT_TAG]
    mov ebx, [eax + CLIENT_MR1]
    mov edi, [eax + CLIENT_MR2]
    mov eax, [eax + CLIENT_ID]
    call ipc_reply_and_wait
    test esi, TAG_ERROR
    jnz .Lrefused
.Lmessage:
    call root_message
.Lpending:
    test dword ptr [features], KIP_ULS
    jz root_loop                    ; in `l4` nobody has to wait for what is pending
    mov edx, ANY_THREAD
    call ipc_receive_now
    test esi, TAG_ERROR
    jz .Lmessage

    ; Those that were preempted: back to the policy, now that it is clear whether there was a tick.
.Lpreempted:
    mov edx, preempted
    call queue_take
    test eax, eax
    jz root_loop
    call watchdog_look
    mov edx, [ticks_new]
    call sched_preempted
    jmp .Lpreempted

    ; It did not take the answer: it has been taken away, or did not wait for one. But if the page did not fit into the
    ; kernel's memory, it waits for ever.
.Lrefused:
    UTCB edx
    cmp dword ptr [edx + UTCB_ERROR], IPC_OVERFLOW
    jne .Lpending
    mov eax, [current]
    mov edx, text_kernel_memory
    call program_fail
    jmp .Lpending

    ; Nobody can run. In `uls` HLT is ours to execute; an interrupt ends it.
.Lnobody:
    test dword ptr [features], KIP_ULS
    jz .Lwait
    hlt
    jmp .Lpending
.Lwait:
    mov edx, ANY_THREAD
    call ipc_receive
    jmp .Lmessage

; root_message: a message has come.
;   in    EAX = from whom, ESI = tag, EBX, EDI = MR1, MR2, the rest in the UTCB
;
; What it leads to gets the client in EBP, and ESI, EBX, EDI, EBP are its to destroy.
root_message:
    cmp eax, IRQ_THREADS << ID_SHIFT
    jb ticks_interrupt
    call client_find                ; not the idle thread, which only says that nobody runs
    jc .Lreturn
    mov ebp, eax
    mov eax, esi
    shr eax, LABEL_SHIFT
    cmp eax, LABEL_PREEMPTION
    je root_preemption
    cmp eax, LABEL_EXCEPTION
    je exception
    cmp eax, LABEL_PAGE_FAULT
    jae page_fault
    jmp request
.Lreturn:
    ret

; root_preemption: a client has lost the processor. The answer will be empty: it goes on as it was.
;   in    EBP = client
root_preemption:
    mov dword ptr [ebp + CLIENT_TAG], 0
    mov eax, ebp
    UTCB edx
    cmp dword ptr [edx + UTCB_MR1 + STATE_VECTOR], PREEMPTED_SWITCH
    je sched_yield
    mov edx, preempted
    jmp queue_last

.rodata

text_kernel_memory:
    .asciz "the kernel's memory is used up"

.bss

.global features, current

.align 4
features:                       ; KIP_ bits
    .space 4
current:                        ; the client that was last given the processor
    .space 4
preempted:                      ; queue: those that were preempted since
    .space 4
