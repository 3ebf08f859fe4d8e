; main in `uls`: the scheduler of its programs. Each is waiting for main's answer to a preemption, an exception or a page
; fault, but the one that has the processor.
;
; Owns who is next, by fair.asm. Main runs until it answers a program; then that one runs, until it has a message for main.
; An interrupt may come in between, when main has already looked whether there was one: so from there to the IPC is a
; sequence that monitor starts again, from `run`, if there was. Nothing is kept in registers there.
;
;     run ... main_check: VMINFO_PENDING == 0?  ... call KIP_CODE: [ the kernel's IPC ] main_back
;             ^--------------- started again if an interrupt came -------^

.include "lib/micro/user.inc"

.text

; run: the loop.
;   out   does not return
.global run
run:
    mov esp, main_stack_top
    mov dword ptr [main_goes], 0
    cmp dword ptr [strangers], 0
    jne main_drain
    call interrupts_take
    mov ebp, [running]
    test ebp, ebp
    jz main_take
    mov eax, ebp
    call fair_better
    jnc main_go
    call running_leaves
    call fair_ready
main_take:
    call fair_take
    mov ebp, eax
    mov [running], eax
    test eax, eax
    jz main_idle
    call fair_run
    cmp dword ptr [ebp + VT_STATUS], VT_RETRY
    jne main_go
    call system_call
    jnc run
    call running_leaves
    jmp run

    ; What the answer is.
main_go:
    mov edx, [lines_done]
    test edx, edx
    jz main_answer
    mov dword ptr [lines_done], 0
    mov eax, VM_DONE
    call monitor_call
main_answer:
    call program_answer
    mov dword ptr [main_goes], 1

; main_check: the sequence begins that monitor may start again.
;   in    EBP = VT that is answered
.global main_check
main_check:
    cmp dword ptr [VM_BASE + VMINFO_PENDING], 0
    jne run
    mov eax, [ebp + VT_ID]
    mov esi, [ebp + VT_TAG]
    mov ebx, [ebp + VT_STATE + STATE_EIP]
    mov edi, [ebp + VT_STATE + STATE_EFLAGS]
    mov edx, ANY_THREAD
    mov ecx, TIMEOUT_ZERO << TIMEOUT_SEND_SHIFT
    call KIP_CODE

; main_back: it is over: a message has come.
;   in    EAX = from whom, ESI = tag
.global main_back
main_back:
    mov dword ptr [main_goes], 0
    test esi, TAG_ERROR
    jnz main_gone
    call program_find
    jc main_unknown
    cmp ebp, [running]
    jne main_stranger
    call program_message
    jnc run

    ; It waits, or has ended; or it did not wait for an answer, and has sent something of its own.
main_gone:
    call running_leaves
    jmp run

    ; A message from another one: the one that was to run has lost the processor at once, and will say so. Until all have
    ; been heard, nobody can run: each message would come in the place of the next.
main_stranger:
    call running_leaves
    mov dword ptr [strangers], 1
main_heard:
    call program_message
    jc main_drain
    mov eax, ebp
    call fair_ready
    jmp main_drain
main_unknown:
    call running_leaves
    mov dword ptr [strangers], 1
main_drain:
    mov edx, ANY_THREAD
    call ipc_receive_now
    test esi, TAG_ERROR
    jnz main_drained
    call program_find
    jnc main_heard
    jmp main_drain
main_drained:
    mov dword ptr [strangers], 0
    jmp run

    ; Nobody can run. The resource monitor looks at VMINFO_PENDING once more, so no interrupt is missed.
main_idle:
    mov edx, [lines_done]
    mov dword ptr [lines_done], 0
    mov eax, VM_IDLE
    call monitor_call
    jmp run

; ticks_now: the time.
;   out   EAX = ticks, which the resource monitor counts
.global ticks_now
ticks_now:
    mov eax, [VM_BASE + VMINFO_TICKS]
    ret

; program_wakes: a program's wait is over.
;   in    EAX = VT
.global program_wakes
program_wakes:
    jmp fair_wake

; program_yields: the calling program lets others run first.
;   in    EAX = VT
.global program_yields
program_yields:
    cmp eax, [running]
    jne .Lreturn
    call running_leaves
    jmp fair_yield
.Lreturn:
    ret

; running_leaves: the program that was to run does not; the time since it was taken is its own, its system calls' too.
;   out   EAX = VT, in no queue
running_leaves:
    mov eax, [running]
    mov dword ptr [running], 0
    test eax, eax
    jz .Lreturn
    push eax
    call fair_stop
    pop eax
.Lreturn:
    ret

.data

.align 4
strangers:                      ; not 0: programs may have messages for main, as at the beginning all have
    .long 1

.bss

.global main_goes

.align 4
running:                        ; VT that has the processor when main does not, or 0
    .space 4
main_goes:                      ; not 0: main is about to answer it
    .space 4
