; Signals of the kernel's own: of events, and for handlers of events that did something wrong.

.include "signals.inc"

STACK stack
REGISTRATION_OF by_signal, METHOD_SIGNAL, 0, 0, SIGRTMIN + 1
REGISTRATION_OF spins, METHOD_USER, spinning, stack
REGISTRATION_OF faults, METHOD_USER, faulting, stack
NAME probe, "probe"
ACTION handled, handler

.macro RAISE value
    CALL_KERNEL SYS_ECALL, probe, 1, \value
.endm

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, by_signal
    CALL_KERNEL SYS_SIGACTION, SIGRTMIN + 1, handled
    RAISE 100
    EXPECT 0, "raised\n"
    mov eax, [signal]
    EXPECT SIGRTMIN + 1, "a signal\n"
    mov eax, [value]
    EXPECT 100, "its value\n"
    CALL_KERNEL SYS_SIGPROCMASK, 0, -1
    mov ebp, SIGQUEUE_MAX + 1
.Lraise:                        ; one too many
    RAISE ebp
    dec ebp
    jnz .Lraise
    CALL_KERNEL SYS_SIGQUEUE, 0, SIGRTMAX
    EXPECT ERR_FULL, "full\n"
    mov ebp, SIGQUEUE_MAX + 1
.Ltake:
    CALL_KERNEL SYS_SIGWAITINFO, 0, 2, value
    cmp [value], ebp
    jne .Lwrong
    dec ebp
    cmp ebp, 1
    ja .Ltake
.Lwrong:
    mov eax, ebp
    EXPECT 1, "all but the last one\n"

    ; The kernel ends a handler, and tells the program.
    CALL_KERNEL SYS_ECALLS_UNREGISTER, 0
    CALL_KERNEL SYS_SIGACTION, SIGXCPU, handled
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, spins
    RAISE 101
    mov eax, [signal]
    EXPECT SIGXCPU, "it ran too long\n"
    RAISE 102
    EXPECT 0, "and does no more\n"
    CALL_KERNEL SYS_ECALLS_UNREGISTER, 0
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, faults
    RAISE 103
    SAY "went on\n"
    EXIT 0

handler:
    mov eax, [esp + SIGINFO_NUMBER]
    mov [signal], eax
    mov eax, [esp + SIGINFO_VALUE]
    mov [value], eax
    ret
TRAMPOLINE

spinning:
    jmp spinning
faulting:
    mov eax, [0]

.bss
.align 4
signal:
    .space 4
value:
    .space 4
