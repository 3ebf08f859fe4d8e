; Handlers that do not end, or do something wrong, are ended; the program that raised the event goes on, and hears by that
; handler no more. Its argument is the signal by which it is told, if it is to be ended by it.

.include "ecalls.inc"

STACK stack
REGISTRATION_OF in_kernel, METHOD_KERNEL
REGISTRATION_OF in_program, METHOD_USER, handler, stack
REGISTRATION_OF faulty, METHOD_USER, faulty_handler, stack
REGISTRATION_OF steps, METHOD_USER, stepping_handler, stack
REGISTRATION_OF no_stack, METHOD_USER, pushing_handler, 0
NAME probe, "probe"

.macro RAISE value
    CALL_KERNEL SYS_ECALL, probe, 1, \value
.endm

; AGAIN registration, text: registers anew.
.macro AGAIN registration, text
    CALL_KERNEL SYS_ECALLS_UNREGISTER, 0
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, \registration
    EXPECT 0, \text
.endm

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGACTION, SIGXCPU, ignore
    CALL_KERNEL SYS_SIGACTION, SIGSEGV, ignore
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, in_kernel
    RAISE PROBE_SPIN
    EXPECT 0, "a kernel handler that does not end\n"
    RAISE PROBE_SPIN
    EXPECT 0, "it does not begin again\n"
    AGAIN in_kernel, "registered anew\n"
    RAISE PROBE_FAULT
    EXPECT 0, "one that faults\n"
    AGAIN in_program, "a user handler\n"
    mov ebp, 5
    RAISE 1
    EXPECT 0, "that does not end\n"
    mov eax, ebp
    EXPECT 5, "and leaves registers alone\n"
    RAISE 2
    mov eax, [times]
    EXPECT 1, "once only\n"
    AGAIN faulty, "another\n"
    RAISE 3
    EXPECT 0, "that faults\n"
    AGAIN steps, "another\n"
    RAISE 6
    EXPECT 0, "that traps its own steps\n"
    AGAIN no_stack, "another\n"
    RAISE 4
    EXPECT 0, "that has no stack\n"

    ; Who does not ignore the signal is ended by it.
    CALL_KERNEL SYS_SIGACTION, SIGXCPU, 0
    AGAIN in_program, "and the last one\n"
    RAISE 5
    SAY "not ended\n"
    EXIT 0

handler:
    inc dword ptr [times]
.Lspin:
    jmp .Lspin
faulty_handler:
    mov eax, [ebp]
stepping_handler:
    push FLAGS_USER | FLAGS_TF
    popfd
    nop
    jmp handler
pushing_handler:
    push eax

.data
.align 4
ignore:                         ; SIGACTION
    .long SIG_IGN, 0, 0, 0
times:
    .long 0
