; A kernel around the policy of `l4` alone: what it calls is here in its simplest form, and the host calls the policy.
;
; Owns eight threads, numbers 0 to 7, as identifiers plus 1. A thread that is IS_RECEIVING takes any message.

.include "kernel/micro/policy_l4.inc"

.equ THREADS, 8

.text

; start: from boot.asm; stops where the host takes over.
.global start
start:
    call gdt_init

; harness_stop: a routine that the host has called returns here.
.global harness_stop
harness_stop:
    jmp harness_stop

; run: EAX = KTCB that would get the processor.
.global run
run:
    jmp run

; resume: the current thread would go on.
.global resume
resume:
    jmp resume

; call_fail: a call would fail, EAX = CALL_ code.
.global call_fail
call_fail:
    jmp call_fail

; thread_find, thread_known: EAX = identifier -> EAX = KTCB, or CF set.
.global thread_find, thread_known
thread_find:
thread_known:
    dec eax
    cmp eax, THREADS
    jae .Lnone
    imul eax, eax, KTCB_SIZE
    add eax, harness_threads
    cmp dword ptr [eax + KTCB_STATE], IS_DEAD
    je .Lnone
    clc
    ret
.Lnone:
    stc
    ret

; ipc_fail: EAX = KTCB, EDX = IPC_ code, which is left in KTCB_FAULT_LABEL.
.global ipc_fail
ipc_fail:
    mov [eax + KTCB_FAULT_LABEL], edx
    mov dword ptr [eax + KTCB_STATE], IS_RUNNING
    jmp timeout_stop

; message_send: EAX = KTCB, EDX = identifier of its scheduler -> EAX = KTCB of that one if it has waited, or 0.
.global message_send
message_send:
    mov dword ptr [eax + KTCB_STATE], IS_SENDING
    mov eax, edx
    call thread_find
    cmp dword ptr [eax + KTCB_STATE], IS_RECEIVING
    je .Ltakes
    xor eax, eax                    ; CF clear
    ret
.Ltakes:
    call timeout_stop
    mov dword ptr [eax + KTCB_STATE], IS_RUNNING
    clc
    ret

; line_open, line_done: there are no interrupts.
.global line_open, line_done
line_open:
line_done:
    ret

.bss

.global harness_threads, thread_table, nil_ktcb, kip, nil_utcb, boot_stack_top

.align KTCB_SIZE
harness_threads:
    .space THREADS * KTCB_SIZE
kip:
    .space KIP_SIZE
thread_table:
    .space 4
nil_ktcb:
nil_utcb:
    .space UTCB_AREA
    .space 1024
boot_stack_top:
    .space 4
