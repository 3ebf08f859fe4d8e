; monitor in `uls`: the scheduler of main. It gives main the processor whenever it has it itself.
;
; If main was about to answer a program and there is an interrupt now, main begins again: see main_uls.asm.

.include "lib/micro/user.inc"

.text

; monitor: the loop.
;   out   does not return
.global monitor
monitor:
    xor eax, eax                ; NIL_THREAD
    xor esi, esi
monitor_grant:
    mov edx, ANY_THREAD
    mov ecx, TIMEOUT_NEVER
    call KIP_CODE

    ; Main was preempted: EBX is its EIP.
    xor esi, esi
    cmp dword ptr [VM_BASE + VMINFO_PENDING], 0
    je monitor_grant
    cmp dword ptr [main_goes], 0
    je monitor_grant
    cmp ebx, main_back
    jae monitor_kernel
    cmp ebx, main_check
    jae monitor_again
monitor_kernel:
    mov edx, KIP_CODE + KIP_BEFORE_SYSENTER
    test dword ptr [KIP_BASE + KIP_FEATURES], KIP_SYSENTER
    jnz monitor_last
    mov edx, KIP_CODE + KIP_BEFORE_INT
monitor_last:
    cmp ebx, edx
    ja monitor_grant                  ; it has gone; this is the answer's way back
    cmp ebx, KIP_CODE
    jb monitor_grant
monitor_again:
    mov ebx, run
    mov esi, STATE_WORDS        ; the other registers are as they were
    jmp monitor_grant
