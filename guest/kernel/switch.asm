; Switching threads: one leaves the processor, another takes it.
;
; Owns the switch frame (SWITCH in guest/abi). sched.asm decides who; program.asm leaves by switch_load, without a way
; back.

.include "kernel.inc"

.text

; switch_to: runs another thread until somebody switches back.
;   in    EAX = TCB of the thread to run; the running one itself is allowed
;   out   when this thread runs again, in whatever state the others left the kernel
;
; A call that returns on another stack:
;
;     this thread's stack                    the other's
;         return address                         return address
;         EBX ESI EDI EBP FS GS                  EBX ESI EDI EBP FS GS
;     ESP -> saved in our TCB_STACK          ESP <- loaded from its TCB_STACK
.global switch_to
switch_to:
    push ebx
    push esi
    push edi
    push ebp
    push fs
    push gs
    CURRENT edx
    mov [edx + TCB_STACK], esp

; switch_load: runs a thread and forgets the one that calls.
;   in    EAX = TCB of the thread to run
;   out   does not return
.global switch_load
switch_load:
    mov esp, [eax + TCB_STACK]
    mov dword ptr [eax + TCB_STATE], THREAD_RUNNING
    lea edx, [eax + TCB_AREA]
    mov [tss + TSS_ESP0], edx   ; where traps from ring 3 will begin, SYSENTER too
    mov edx, [eax + TCB_SPACE]
    mov ecx, cr3
    cmp ecx, edx
    je .Lsame                   ; a load of CR3 empties the TLB, so none without need
    mov cr3, edx
.Lsame:
    pop gs
    pop fs
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret
