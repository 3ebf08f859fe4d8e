; All registers of a program, handed to it and taken from it (REGS in guest/abi).
;
; Owns what of them is believed. handler.asm hands them out and takes them for signals, original.asm for activations;
; signal_frame.asm of the kernel `ecalls` for its signals.

.include "kernel/kernel.inc"

; COPY_WORDS to, from, count: through ECX. A signal is about nothing else, and REP MOVSD takes long to begin.
.macro COPY_WORDS to, from, count
offset\@ = 0
.rept \count
    mov ecx, [\from + offset\@]
    mov [\to + offset\@], ecx
offset\@ = offset\@ + 4
.endr
.endm

.text

; regs_store: writes the registers of a thread.
;   in    EDI = REGS, memory that was checked; ESI = trap frame of its program; EAX, EDX = its GS and FS
;   out   ESI, EDI destroyed
.global regs_store
regs_store:
    mov [edi + REGS_GS], eax
    mov [edi + REGS_FS], edx
    add edi, REGS_EDI
    COPY_WORDS edi, esi, FRAME_SIZE / 4
    mov dword ptr [edi + REGS_PUSHAD_ESP - REGS_EDI], 0         ; the kernel's, and nobody's business
    ret

; regs_load: the running program goes on with other registers.
;   in    EBX = REGS, memory that was checked; EBP = trap frame
;   out   does not return
.global regs_load
regs_load:
    mov eax, [ebx + REGS_GS]
    call segment_check
    mov ecx, gs
    cmp ecx, eax
    je .Lgs                     ; to load a segment register takes longer than to look
    mov gs, eax
.Lgs:
    mov eax, [ebx + REGS_FS]
    call segment_check
    mov ecx, fs
    cmp ecx, eax
    je .Lfs
    mov fs, eax
.Lfs:
    mov eax, [ebx + REGS_ES]
    call segment_check
    mov [ebp + FRAME_ES], eax
    mov eax, [ebx + REGS_DS]
    call segment_check
    mov [ebp + FRAME_DS], eax

    ; General registers, EDI to EAX, stand in the same order in both.
    lea esi, [ebx + REGS_EDI]
    lea edi, [ebp + FRAME_EDI]
    COPY_WORDS edi, esi, (FRAME_ES - FRAME_EDI) / 4

    ; And the processor's: ring 3, interrupts on, and flags that a program may set itself.
    mov eax, [ebx + REGS_EIP]
    mov [ebp + FRAME_EIP], eax
    mov dword ptr [ebp + FRAME_CS], SEL_UCODE
    mov eax, [ebx + REGS_EFLAGS]
    and eax, FLAGS_PROGRAM | FLAGS_NT
    or eax, FLAGS_USER
    mov [ebp + FRAME_EFLAGS], eax
    mov eax, [ebx + REGS_ESP]
    mov [ebp + FRAME_ESP], eax
    mov dword ptr [ebp + FRAME_SS], SEL_UDATA
    mov esp, ebp
    jmp trap_exit

; segment_check: what of a selector can be loaded without a fault: a user segment's with any RPL, or null.
;   in    EAX = whatever a program calls a selector
;   out   EAX = selector; ECX destroyed, EDX kept
segment_check:
    movzx eax, ax
    mov ecx, eax
    and ecx, ~SEL_RPL
    jz .Lreturn
    cmp ecx, SEL_UCODE & ~SEL_RPL
    je .Lreturn
    cmp ecx, SEL_UDATA & ~SEL_RPL
    je .Lreturn
    xor eax, eax
.Lreturn:
    ret
