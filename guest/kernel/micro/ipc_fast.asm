; IPC: the two ways in, and the fast path.
;
; Owns what happens between a program's IPC and another program's next instruction in the case that counts: call or
; reply_and_wait, with words only, to a thread that waits for it. Everything else goes on in ipc.asm, with nothing done
; yet. No policy has a say here: the one who calls blocks on one partner, and the partner goes on in its place.
;
; The message is where it has to be all the time: EAX = to, becomes from; ESI, EBX, EDI = MR0 to MR2. The rest is copied
; from UTCB to UTCB. EBP becomes the partner's KTCB; what is addressed by EBP and ESP lies in SS and needs no DS.

.include "micro.inc"

PUSHED = 2 * 4                  ; bytes that .Lcopy has on the stack

.macro MINE instruction, field, operand         ; an instruction on a field of the current thread's KTCB
    \instruction dword ptr [esp + KTCB_\field - KTCB_EIP], \operand
.endm

.text

; ipc_sysenter: SYSENTER comes here.
;   in    EAX = to, EDX = from, ECX = timeouts, ESI, EBX, EDI = MR0 to MR2; EBP = the program's stack pointer
;         ESP = tss + TSS_ESP0; interrupts off, all other flags the program's
;
; Builds the frame of INT, so that a thread's way back does not depend on its way in.
.global ipc_sysenter
ipc_sysenter:
    mov esp, [esp]
    push SEL_UDATA
    push ebp
    push FLAGS_USER
    push SEL_UCODE
    push KIP_RETURN
    pushfd                      ; a CLD without need would cost a NetBurst 54 cycles
    test dword ptr [esp], FLAGS_DF
    jnz ipc_sysenter_down
ipc_sysenter_up:
    add esp, 4

; ipc_int: the gate of INT 81h.
;   in    EAX = to, EDX = from, ECX = timeouts, ESI, EBX, EDI = MR0 to MR2
;         ESP = KTCB_EIP of the current thread: the processor's frame is in its place
.global ipc_int
ipc_int:
    ; A receive without end; a message of words only.
    mov ebp, eax
    MINE mov, SCRATCH, ecx
    test ecx, TIMEOUT_RECEIVE
    jnz .Lslow
    test esi, TAG_SLOW
    jnz .Lslow

    ; To receive from the partner alone, or from anybody while nobody waits to send to us.
    cmp eax, edx
    je .Lcall
    cmp edx, ANY_THREAD
    jne .Lslow
    MINE cmp, SENDERS, 0
    jne .Lslow
.Lcall:

    ; The partner exists, and waits for us or for anybody.
    shr ebp, ID_SHIFT
    mov ecx, [esp + KTCB_ID - KTCB_EIP]
    and ebp, MAX_THREADS - 1
    mov ebp, [thread_table + ebp * 4]
    cmp [ebp + KTCB_ID], eax
    jne .Lslow
    cmp [ebp + KTCB_WAIT], ecx
    je .Ltakes
    cmp dword ptr [ebp + KTCB_WAIT], ANY_THREAD
    jne .Lslow
.Ltakes:
    FAST_CHECK .Lslow

    ; We wait now, it does not.
    mov eax, ecx
    mov ecx, esi
    MINE mov, WAIT, edx
    MINE mov, STATE, IS_RECEIVING
    mov dword ptr [ebp + KTCB_WAIT], 0
    and ecx, TAG_UNTYPED
    mov dword ptr [ebp + KTCB_STATE], IS_RUNNING
    cmp ecx, 2
    ja .Lcopy
.Lcopied:

    ; The processor changes hands.
    FAST_SWITCHED
    mov ecx, [ebp + KTCB_SPACE]
    lea edx, [ebp + KTCB_TOP]
    mov [tss + TSS_ESP0], edx
    mov edx, [ebp + KTCB_UTCB_USER]
    MINE cmp, SPACE, ecx
    mov [kip + KIP_UTCB], edx
    je .Lspace
    mov cr3, ecx
.Lspace:

    ; Who came by SYSENTER may leave by SYSEXIT. That keeps the flags, so not with a DF that a caller by INT has left.
    ; STI takes effect behind SYSEXIT: no interrupt finds the frame half taken down.
    cmp dword ptr [ebp + KTCB_EIP], KIP_RETURN
    je .Lsysexit
.Liret:
    lea esp, [ebp + KTCB_EIP]
    iretd
.Lsysexit:
    MINE test, EFLAGS, FLAGS_DF
    jnz .Ldf                            ; forward, as a processor guesses that it is not taken
    mov ecx, [ebp + KTCB_ESP]
    mov edx, KIP_RETURN
    sti
    sysexit
.Ldf:
    jmp .Liret

    ; The words that are not in registers. What is pushed goes over the rest of the frame, which nobody needs any more.
.Lcopy:
    push esi
    push edi
    mov esi, [esp + PUSHED + KTCB_UTCB - KTCB_EIP]
    mov edi, [ebp + KTCB_UTCB]
    add esi, UTCB_MR3
    add edi, UTCB_MR3
    sub ecx, 2
    test dword ptr [esp + PUSHED + KTCB_EFLAGS - KTCB_EIP], FLAGS_DF
    jnz .Ldown
.Lup:
    rep movsd
    pop edi
    pop esi
    jmp .Lcopied
.Ldown:
    cld
    jmp .Lup

    ; The whole frame, and to the long way.
.Lslow:
    mov ecx, [esp + KTCB_SCRATCH - KTCB_EIP]
    sub esp, KTCB_EIP - KTCB_VECTOR
    pushad
    lea ebp, [esp - KTCB_EDI]
    mov esp, kernel_stack_top
    CLEAR_DF
    jmp ipc

ipc_sysenter_down:
    cld
    jmp ipc_sysenter_up
