; Into the kernel by an exception or interrupt, and out of it to whatever thread.
;
; Owns the frame: the processor, the vector stub and PUSHAD save a thread's registers in its KTCB, since ESP0 is KTCB_TOP.
; The stubs of idt.asm end here; every way through the kernel but the fast path ends in run or resume.
;
;     KTCB_TOP ->  SS ESP EFLAGS CS EIP         the processor's
;                  error code, vector           the stub's, or the processor's error code
;                  EAX ECX EDX EBX . EBP ESI EDI  PUSHAD's, KTCB_EDI lowest

.include "micro.inc"

FLAGS_NT_BIT = 14

.assert 1 << FLAGS_NT_BIT == FLAGS_NT, "BTR takes the number of a bit"

.text

; trap_entry: the common tail of the vector stubs.
;   in    the stack from the vector up; every register is the interrupted code's
.global trap_entry
trap_entry:
    test byte ptr [esp + KTCB_CS - KTCB_VECTOR], SEL_RPL
    jz .Lkernel
    pushad
    lea ebp, [esp - KTCB_EDI]
    mov esp, kernel_stack_top
    CLEAR_DF
    mov eax, [ebp + KTCB_VECTOR]
    jmp dword ptr ss:[trap_table + eax * 4]     ; SS: DS is not known to be good yet

    ; From ring 0. An interrupt comes only where the kernel lets it in, in a place where all is in the KTCB: what the
    ; kernel was doing is dropped, and done again from KTCB_RESUME when the thread gets the processor.
.Lkernel:
    cmp dword ptr [esp], VECTOR_IRQ0
    jb .Lexception
    mov eax, [esp]
    mov esp, kernel_stack_top
    CURRENT ebp
    mov [ebp + KTCB_VECTOR], eax
    jmp interrupt

    ; Three exceptions in ring 0 are a program's doing.
.Lexception:
    cmp dword ptr [esp], EXC_GP
    je .Lprotection
    cmp dword ptr [esp], EXC_TS
    je .Ltask
    cmp dword ptr [esp], EXC_DB
    jne kernel_fault
    cmp dword ptr [esp + KTCB_EIP - KTCB_VECTOR], ipc_sysenter
    jne kernel_fault
    ; It set TF right before SYSENTER, and this is the trap behind that: go on without.
    and dword ptr [esp + KTCB_EFLAGS - KTCB_VECTOR], ~FLAGS_TF
    add esp, KTCB_EIP - KTCB_VECTOR
    iretd
    ; It set NT before SYSENTER, so that an IRET of ours would be a task switch: try again without.
.Ltask:
    btr dword ptr [esp + KTCB_EFLAGS - KTCB_VECTOR], FLAGS_NT_BIT
    jnc kernel_fault
    add esp, KTCB_EIP - KTCB_VECTOR
    iretd
    ; It left DS or ES unusable: try again with good ones.
.Lprotection:
    push eax
    call segments_repair
    pop eax
    jc kernel_fault
    add esp, KTCB_EIP - KTCB_VECTOR
    iretd

; segments_repair: makes DS and ES flat.
;   out   CF set: they were; only EAX is destroyed
.global segments_repair
segments_repair:
    mov eax, ds
    cmp ax, SEL_UDATA
    jne .Lrepair
    mov eax, es
    cmp ax, SEL_UDATA
    stc
    je .Lreturn
.Lrepair:
    mov eax, SEL_UDATA
    mov ds, eax
    mov es, eax
    clc
.Lreturn:
    ret

; run: a thread gets the processor.
;   in    EAX = KTCB, IS_RUNNING or the idle thread
;   out   does not return
.global run
run:
    SWITCHED
    mov ebp, eax
    lea eax, [ebp + KTCB_TOP]
    mov [tss + TSS_ESP0], eax
    mov eax, [ebp + KTCB_SPACE]
    mov ecx, cr3
    cmp eax, ecx
    je .Lspace                  ; a load of CR3 empties the TLB, so none without need
    mov cr3, eax
.Lspace:
    mov eax, [ebp + KTCB_UTCB_USER]
    mov [kip + KIP_UTCB], eax

; resume: the current thread goes on, unless it is stopped; amid an IPC it first comes to the end of that.
;   in    EBP = its KTCB
;   out   does not return
.global resume
resume:
    cmp dword ptr [ebp + KTCB_HALTED], 0
    jne .Lhalted
.Lgo:
    jmp dword ptr [ebp + KTCB_RESUME]
.Lhalted:
    cmp dword ptr [ebp + KTCB_RESUME], resume_user
    jne .Lgo
    mov dword ptr [ebp + KTCB_STATE], IS_HALTED
    call sched_idle
    jmp run

; resume_user: to the program. The KTCB_RESUME of every thread that is not amid something in the kernel.
;   in    EBP = KTCB
;   out   does not return
.global resume_user
resume_user:
    lea esp, [ebp + KTCB_EDI]
    popad
    add esp, KTCB_EIP - KTCB_VECTOR
    iretd

.rodata

; Who handles what: EBP = the thread that it happened to, whose frame is complete; they end with run or resume.
.align 4
trap_table:
    .rept EXC_GP
    .long exception             ; 0 to 12
    .endr
    .long protection            ; EXC_GP
    .long page_fault            ; EXC_PF
    .rept VECTOR_IRQ0 - EXC_PF - 1
    .long exception             ; 15 to 31
    .endr
    .rept VECTOR_COUNT - VECTOR_IRQ0
    .long interrupt
    .endr
trap_table_end:

.assert trap_table_end - trap_table == VECTOR_COUNT * 4, "trap_table needs a line for every vector"
