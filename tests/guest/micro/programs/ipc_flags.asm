; Does an IPC work whatever flags a program has set?

.include "ipc_gates.inc"

; FLAGS set: sets these.
.macro FLAGS set
    pushfd
    or dword ptr [esp], \set
    popfd
.endm

; TRY way, set: with those flags, and then without them, since what SYSEXIT leaves as it is stays.
.macro TRY way, set
    .irp words, 0, 2, 3, 63
    FLAGS \set
    CALL \way, \words
    pushfd
    and dword ptr [esp], ~(\set)
    popfd
    ANSWERED \words
    .endr
    FLAGS \set
    CALL \way, TAG_TYPED | TAG_UNTYPED          ; the long way
    pushfd
    and dword ptr [esp], ~(\set)
    popfd
    IPC_FAILS IPC_OVERFLOW
.endm

main:
    MAKE FIRST, server, first_stack
    .irp set, FLAGS_DF, FLAGS_NT, FLAGS_ID, FLAGS_DF | FLAGS_NT
    TRY int, \set
    TRY stub, \set
    .endr
    UNLESS_SYSENTER .Ldone

    ; A trap behind SYSENTER, in the kernel: it goes on without, and nobody sees it.
    .irp words, 0, 2, 3, 63, TAG_TYPED | TAG_UNTYPED
    mov eax, FIRST
    mov edx, FIRST
    mov ecx, TIMEOUT_NEVER
    mov esi, \words
    mov ebx, 1000
    mov edi, 2000
    call trapped
    .if \words == (TAG_TYPED | TAG_UNTYPED)
    IPC_FAILS IPC_OVERFLOW
    .else
    ANSWERED \words
    .endif
    pushfd
    pop eax
    test eax, FLAGS_TF
    CHECK z
    .endr
.Ldone:
    ret

; trapped: an IPC by SYSENTER, right behind TF.
trapped:
    push ebp
    mov ebp, esp
    push FLAGS_USER | FLAGS_TF
    popfd
    sysenter
