; Switching threads: as the first kernel's switch.asm, but that the threads of one process have one space. Whether CR3 is
; the same is seen from their control blocks: to read CR3 takes longer.
;
; Owns the switch frame (SWITCH in guest/abi). sched.asm and activation.asm decide who.

.include "activations.inc"

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
    mov ecx, [edx + TCB_SPACE]

; switch_from: the switch itself.
;   in    EAX = TCB of the thread to run, ECX = what is in CR3
switch_from:
    mov esp, [eax + TCB_STACK]
    mov dword ptr [eax + TCB_STATE], THREAD_RUNNING
    lea edx, [eax + TCB_AREA]
    mov [tss + TSS_ESP0], edx   ; where traps from ring 3 will begin, SYSENTER too
    mov edx, [eax + TCB_SPACE]
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

; switch_load: runs a thread and forgets the one that calls.
;   in    EAX = TCB of the thread to run
;   out   does not return
.global switch_load
switch_load:
    mov ecx, cr3                ; the space of the one that calls may be gone
    jmp switch_from

; switch_within: the same, where both belong to the process whose space is loaded.
;   in    EAX = TCB of the thread to run
;   out   does not return
.global switch_within
switch_within:
    mov ecx, [eax + TCB_SPACE]
    jmp switch_from
