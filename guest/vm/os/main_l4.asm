; main in `l4`: it serves its programs, and the kernel schedules them, as the original afterburner has it (Stoess 2007, 4.2).
;
; Owns the queue of programs that are to be answered. Main is more important than they are, so it answers all of them
; before one can run. The last one gets the processor with the answer, as in every IPC that blocks its caller; of all
; others the kernel chooses, and main does not hear of it.

.include "lib/micro/user.inc"

.text

; run: the loop.
;   out   does not return
.global run
run:
    call interrupts_take
    mov eax, [monitor_waits]
    test eax, eax
    jz .Lanswers

    ; Monitor first: it is more important in any case, and opens the card's line again.
    mov ebx, [lines_done]
    mov esi, 1
    mov dword ptr [monitor_waits], 0
    mov dword ptr [lines_done], 0
    call ipc_send_now
.Lanswers:
    mov ebp, [queue_head]
    test ebp, ebp
    jz .Lnobody
    cmp dword ptr [ebp + VT_STATUS], VT_RETRY
    jne .Lanswer
    call system_call
    jnc .Lanswer
    call queue_next
    jmp .Lanswers

    ; If an interrupt came meanwhile, its message first: with it pending, who is answered last would not run at once.
.Lanswer:
    cmp dword ptr [VM_BASE + VMINFO_PENDING], 0
    je .Lquiet
    mov edx, ANY_THREAD
    call ipc_receive_now
    test esi, TAG_ERROR
    jz .Lmessage
.Lquiet:
    call queue_next
    call program_answer
    mov eax, [ebp + VT_ID]
    mov esi, [ebp + VT_TAG]
    mov ebx, [ebp + VT_STATE + STATE_EIP]
    mov edi, [ebp + VT_STATE + STATE_EFLAGS]
    cmp dword ptr [queue_head], 0
    jne .Lnot_last
    call ipc_reply_and_wait     ; it runs at once, before others that the kernel has in its queue
    test esi, TAG_ERROR
    jz .Lmessage
    jmp run
.Lnot_last:
    call ipc_send_now
    jmp .Lanswers

.Lnobody:
    mov edx, ANY_THREAD
    call ipc_receive
.Lmessage:
    mov ecx, esi
    shr ecx, LABEL_SHIFT
    cmp ecx, VM_INTERRUPT
    je .Linterrupt
    call program_find
    jc run                      ; nobody that we know
    call program_message
    jc run
    mov eax, ebp
    call program_wakes
    jmp run
.Linterrupt:
    mov [monitor_waits], eax
    jmp run

; ticks_now: the time. Also for monitor.
;   out   EAX = ticks, by the kernel's clock
.global ticks_now
ticks_now:
    mov edx, [KIP_BASE + KIP_CLOCK_HIGH]
    mov eax, [KIP_BASE + KIP_CLOCK_LOW]
    cmp edx, [KIP_BASE + KIP_CLOCK_HIGH]
    jne ticks_now               ; a tick came in between
    div dword ptr [KIP_BASE + KIP_TICK_US]
    ret

; queue_next: the first one leaves the queue.
;   out   EBP kept
queue_next:
    mov eax, [queue_head]
    mov eax, [eax + VT_NEXT]
    mov [queue_head], eax
    ret

; program_wakes: a program is to be answered.
;   in    EAX = VT
.global program_wakes
program_wakes:
    mov dword ptr [eax + VT_NEXT], 0
    cmp dword ptr [queue_head], 0
    jne .Llast
    mov [queue_head], eax
    mov [queue_tail], eax
    ret
.Llast:
    mov edx, [queue_tail]
    mov [edx + VT_NEXT], eax
    mov [queue_tail], eax
    ret

; program_yields: the kernel gives the processor to others in any case while main has it; the program queues up behind.
;   in    EAX = VT
.global program_yields
program_yields:
    ret

.bss

.align 4
queue_head:                     ; VT that is to be answered first, or 0
    .space 4
queue_tail:                     ; the last one; means nothing if there is none
    .space 4
monitor_waits:                  ; identifier of monitor, which waits for an answer, or 0
    .space 4
