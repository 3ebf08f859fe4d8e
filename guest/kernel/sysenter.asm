; SYSENTER: the fast way into the kernel, on processors that have it.
;
; Owns the three MSRs and what follows from SYSENTER's habits: it saves nothing, and it leaves TF and NT as they were.
; Everything behind the entry is syscall.asm's.

.include "kernel.inc"
.include "sysenter.inc"

.text

; sysenter_init: offers SYSENTER to the programs if the processor has it.
;   out   kernel_features
.global sysenter_init
sysenter_init:
    SYSENTER_SETUP sysenter_entry, .Lnone
    or dword ptr [kernel_features], FEATURE_SYSENTER
.Lnone:
    ret

; sysenter_entry: the processor comes here.
;   in    ECX = the program's stack pointer, EDX = where it goes on; EAX, EBX, ESI, EDI, EBP are the program's
;         ESP = tss + TSS_ESP0, interrupts off, all other flags the program's
;
; Builds the frame that INT 80h would have left, runs the call, and takes the frame down to SYSEXIT's two registers:
;
;     frame:  SS ESP EFLAGS CS EIP error vector DS ES EAX ... EDI
;                ECX           EDX
sysenter_entry:
    mov esp, [esp]
.if ECALLS
    test eax, eax
    js fast_sysenter            ; no system call: ecalls/fast.asm
.endif
    push SEL_UDATA
    push ecx
    push FLAGS_USER
    push SEL_UCODE
    push edx
    push 0
    push VECTOR_SYSCALL
    push FLAGS_KERNEL           ; NT would make the next IRET a task switch, DF turn string instructions around
    popfd
    TRAP_SAVE
    mov ebp, esp
    call syscall_dispatch
    mov [esp + FRAME_EAX], eax
    TRAP_RESTORE
    mov edx, [esp + FRAME_EIP - FRAME_VECTOR]
    mov ecx, [esp + FRAME_ESP - FRAME_VECTOR]
    sti                         ; takes effect behind SYSEXIT: no interrupt finds this stack half taken down
    sysexit

; sysenter_step: the handler of #DB. A program that sets TF right before SYSENTER causes a single-step trap on the first
; instruction of sysenter_entry, in ring 0, on the few words in front of the TSS. It is answered by clearing TF.
;   in    EAX = trap frame
.global sysenter_step
sysenter_step:
    test dword ptr [eax + FRAME_CS], SEL_RPL
    jnz fault
    cmp dword ptr [eax + FRAME_EIP], sysenter_entry
    jne fault
    and dword ptr [eax + FRAME_EFLAGS], ~FLAGS_TF
    ret

.bss

.global kernel_features

.align 4
kernel_features:                ; FEATURE_ bits; a program gets them in EAX when it starts
    .space 4
