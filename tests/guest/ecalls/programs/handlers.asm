; Handlers of events, in the kernel and in the program: what they see, what they may not do, and how they end.

.include "ecalls.inc"

STACK stack
REGISTRATION_OF in_kernel, METHOD_KERNEL
REGISTRATION_OF in_program, METHOD_USER, handler, stack
REGISTRATION_OF both, METHOD_KERNEL + METHOD_USER + METHOD_FILTER, handler, stack
NAME probe, "probe"

.macro RAISE value
    CALL_KERNEL SYS_ECALL, probe, 1, \value
.endm

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, in_kernel
    EXPECT 0, "a kernel handler\n"
    RAISE 100
    EXPECT 0, "raised\n"
    RING eax, 0, ECALL_RING_FLAG
    EXPECT 1, "an event\n"
    RING eax, 0, ECALL_RING_SIZE
    EXPECT 100, "its value\n"
    CALL_KERNEL SYS_ECALLS_UNREGISTER, 0

    CALL_KERNEL SYS_ECALLS_REGISTER, probe, in_program
    EXPECT 0, "a user handler\n"
    mov ebp, 77
    RAISE 200
    EXPECT 0, "raised\n"
    mov eax, [seen]
    EXPECT 200, "it has seen the value\n"
    mov eax, [segment]
    EXPECT ECALL_HEAR, "and where the data are\n"
    mov eax, [refused]
    EXPECT ERR_RECURSION, "it may not call the kernel\n"
    mov eax, [refused_fast]
    EXPECT ERR_RECURSION, "nor fast\n"
    mov eax, ebp
    EXPECT 77, "our registers are ours\n"
    RAISE 201
    mov eax, [seen]
    EXPECT 201, "again\n"
    mov eax, [times]
    EXPECT 2, "twice\n"
    CALL_KERNEL SYS_ECALLS_UNREGISTER, 0
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, both
    RAISE 202
    mov eax, [seen]
    EXPECT 202, "the kernel's lets it pass\n"
    RAISE PROBE_RAISE
    mov eax, [times]
    EXPECT 5, "an event that a handler has raised is heard, too\n"
    EXIT 0

; The user handler: EAX = value, EBX = segment.
handler:
    mov [seen], eax
    mov [segment], ebx
    inc dword ptr [times]
    mov eax, SYS_SELF
    int VECTOR_SYSCALL
    mov [refused], eax
    mov eax, ECALL_FAST
    int VECTOR_ECALL
    mov [refused_fast], eax
    HANDLER_END FILTER_PASS

.bss
.align 4
seen:
    .space 4
segment:
    .space 4
refused:
    .space 4
refused_fast:
    .space 4
times:
    .space 4
