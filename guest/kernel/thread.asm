; Threads: a control block and a kernel stack in one aligned area.
;
; Owns the area's layout and how a thread comes to life. program.asm creates threads and ends them; sched.asm and
; switch.asm run them.

.include "kernel.inc"

.text

; thread_create: makes a thread that will start in ring 3.
;   in    EAX = its page directory, physical; EDX = its first instruction; ECX = its stack pointer
;   out   EAX = TCB, in no queue; CF set: out of memory
;         the thread will find kernel_features in EAX, its stack pointer also in EBX, and zero everywhere else
;
; The new thread looks as if it had once been interrupted in front of its first instruction and then switched away:
;
;     TCB + TCB_AREA ->  trap frame: SS ESP EFLAGS CS EIP ... EAX = features, EBX = stack pointer ...
;                        switch frame: EIP = trap_exit, all else zero
;          TCB_STACK ->
;                        zeros
;                TCB ->  TCB_STACK, TCB_SPACE, TCB_NUMBER ...
.global thread_create
thread_create:
    push ebx
    push esi
    push edi
    mov ebx, eax
    mov esi, edx
    mov edi, ecx
    call frame_alloc
    jc .Lreturn

    ; The trap frame: what trap_exit will pop. The frame of memory is zero, so only the rest is written.
    lea edx, [eax + TCB_AREA - FRAME_SIZE]
    mov dword ptr [edx + FRAME_SS], SEL_UDATA
    mov [edx + FRAME_ESP], edi
    mov dword ptr [edx + FRAME_EFLAGS], FLAGS_USER
    mov dword ptr [edx + FRAME_CS], SEL_UCODE
    mov [edx + FRAME_EIP], esi
    mov dword ptr [edx + FRAME_DS], SEL_UDATA
    mov dword ptr [edx + FRAME_ES], SEL_UDATA
    mov ecx, [kernel_features]
    mov [edx + FRAME_EAX], ecx
    mov [edx + FRAME_EBX], edi

    ; The switch frame below it, and the TCB.
    sub edx, SWITCH_SIZE
    mov dword ptr [edx + SWITCH_EIP], trap_exit
    mov [eax + TCB_STACK], edx
    mov [eax + TCB_SPACE], ebx
    inc dword ptr [thread_count]
    mov edx, [thread_count]
    mov [eax + TCB_NUMBER], edx
    clc
.Lreturn:
    pop edi
    pop esi
    pop ebx
    ret

.bss

.align 4
thread_count:                   ; threads made so far: the number of the latest
    .space 4
.assert TCB_AREA == PAGE_SIZE, "a thread's area is one frame"
