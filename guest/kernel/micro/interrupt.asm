; External interrupts: one thread in the kernel for each line, which sends to the handler that is attached to it.
;
; Owns the 16 interrupt threads, the mask of the 8259As and the tick's rate. An interrupt thread is a KTCB without a space:
; IS_DEAD while its line is quiet; IS_SENDING or IS_RECEIVING, and its line masked, from the interrupt to the reply. The
; policy may keep a line for itself (sched_interrupt).

.include "micro.inc"

.if TICK_HZ < 19 || TICK_HZ > 100000
.error "TICK_HZ must be 19 to 100000: slower than the 8254 can count, or too fast for anything else to run"
.endif

CASCADE = 2                                     ; the line of the first chip by which the second comes in
PIT_COUNT = (PIT_HZ + TICK_HZ / 2) / TICK_HZ    ; crystal periods per tick, rounded

.text

; interrupts_init: makes the interrupt threads, and sets the rate of the 8254. All lines are masked.
.global interrupts_init
interrupts_init:
    mov dword ptr [lines_masked], ~(1 << CASCADE)
    mov al, 0xFF & ~(1 << CASCADE)
    out PIC1_DATA, al
    mov al, PIT_RATE
    out PIT_CONTROL, al
    mov al, PIT_COUNT & 0xFF
    out PIT_CHANNEL0, al
    mov al, PIT_COUNT >> 8
    out PIT_CHANNEL0, al
    xor ecx, ecx                                ; number
    mov eax, interrupt_threads
.Lthread:
    mov edx, ecx
    shl edx, ID_SHIFT
    inc edx                                     ; version 1
    mov [eax + KTCB_ID], edx
    mov dword ptr [eax + KTCB_STATE], IS_DEAD
    mov dword ptr [eax + KTCB_KIND], KIND_INTERRUPT
    mov dword ptr [eax + KTCB_UTCB], nil_utcb
    mov [thread_table + ecx * 4], eax
    add eax, KTCB_SIZE
    inc ecx
    cmp ecx, IRQ_THREADS
    jb .Lthread
    mov dword ptr [thread_table + CASCADE * 4], nil_ktcb
    ret

; interrupt: a line has fired.
;   in    EBP = the thread that it came to, or the idle thread; its KTCB_VECTOR
;   out   does not return
.global interrupt
interrupt:
    EXTENSION KIP_BUDGET, budget_now
    mov ebx, [ebp + KTCB_VECTOR]
    sub ebx, VECTOR_IRQ0

    ; The last line of a chip is also where it puts a request that went away; then nothing is in service there.
    mov ecx, ebx
    and ecx, 7
    cmp ecx, 7
    jne .Lreal
    call line_in_service
    jz .Lspurious
.Lreal:
    mov eax, ebx
    call sched_interrupt
    jc run

    ; Quiet until the handler replies; then to the handler.
    mov eax, ebx
    call line_close
    mov eax, ebx
    call line_done
    mov edx, [interrupt_handlers + ebx * 4]
    shl ebx, 8
    lea eax, [interrupt_threads + ebx]
    mov ecx, KIND_INTERRUPT
    call message_send
    jc .Lquiet                      ; no handler: the line stays masked
    test eax, eax
    jz .Lquiet
    call sched_wake
    jmp run
.Lquiet:
    EXTENSION KIP_BUDGET, budget_check, budget_stop
    jmp resume
.Lspurious:
    cmp ebx, 8
    jb resume
    mov al, OCW2_EOI                ; the first chip has its line 2 in service all the same
    out PIC1_COMMAND, al
    jmp resume

.assert KTCB_SIZE == 1 << 8, "interrupt finds a line's KTCB by a shift"

; interrupt_attach: a line gets a handler, or loses it.
;   in    EAX = line that has a thread, EDX = identifier of the handler; NIL_THREAD: none
.global interrupt_attach
interrupt_attach:
    push ebx
    push esi
    mov ebx, eax
    mov esi, edx
    mov [interrupt_handlers + ebx * 4], edx
    shl eax, 8
    add eax, interrupt_threads
    ; Whatever was under way with the one before is over.
    push eax
    call ipc_unlink
    pop eax
    mov dword ptr [eax + KTCB_STATE], IS_DEAD
    mov eax, ebx
    test esi, esi
    jz .Ldetach
    call line_open
    jmp .Lreturn
.Ldetach:
    call line_close
.Lreturn:
    pop esi
    pop ebx
    ret

; interrupt_done: the handler has replied.
;   in    EAX = KTCB of an interrupt thread
.global interrupt_done
interrupt_done:
    sub eax, interrupt_threads
    shr eax, 8

; line_open: lets a line's interrupts come.
;   in    EAX = line
.global line_open
line_open:
    btr [lines_masked], eax
    jmp line_mask

; line_close: keeps a line's interrupts away.
;   in    EAX = line
.global line_close
line_close:
    bts [lines_masked], eax

; line_mask: tells the chip of a line its mask, which is kept in memory, as a port is slow to read.
;   in    EAX = line
line_mask:
    cmp eax, 8
    mov eax, [lines_masked]
    jae .Lsecond
    out PIC1_DATA, al
    ret
.Lsecond:
    shr eax, 8
    out PIC2_DATA, al
    ret

; line_done: ends the interrupt of a line that is in service.
;   in    EAX = line
.global line_done
line_done:
    cmp eax, 8
    mov al, OCW2_EOI
    jb .Lfirst
    out PIC2_COMMAND, al
.Lfirst:
    out PIC1_COMMAND, al
    ret

; line_in_service: is the last line of a chip in service?
;   in    EBX = 7 or 15
;   out   ZF set: no
line_in_service:
    mov al, OCW3_ISR
    cmp ebx, 8
    jae .Lsecond
    out PIC1_COMMAND, al
    in al, PIC1_COMMAND
    test al, 0x80
    ret
.Lsecond:
    out PIC2_COMMAND, al
    in al, PIC2_COMMAND
    test al, 0x80
    ret

.bss

.global interrupt_threads, interrupt_handlers

.align 64
interrupt_threads:              ; KTCBs of the 16 lines
    .space IRQ_THREADS * KTCB_SIZE
interrupt_handlers:             ; identifier of each one's handler, or NIL_THREAD
    .space IRQ_THREADS * 4
lines_masked:                   ; bit n: line n is masked
    .space 4
