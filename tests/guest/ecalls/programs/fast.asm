; Services by name, Fast User-ECalls by both ways in, and what is refused.

.include "ecalls.inc"

REGISTRATION_OF plain, 0
REGISTRATION_OF unknown, METHODS + 1
REGISTRATION_OF no_signal, METHOD_SIGNAL, 0, 0, 31
REGISTRATION_OF no_handler, METHOD_KERNEL
NAME probe, "probe"
NAME io, "io"
NAME lists, "probe-type"
NAME other, "probes"
NAME part, "prob"
NAME long_name, "a name that is longer than any service has"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_ECALLS_REGISTER, other, plain
    EXPECT ERR_SERVICE, "no such service\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, part, plain
    EXPECT ERR_SERVICE, "nor this\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, long_name, plain
    EXPECT ERR_SERVICE, "nor this long one\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, 0, plain
    EXPECT ERR_ADDRESS, "no name\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, KERNEL_BASE - 4, plain
    EXPECT ERR_ADDRESS, "a name that is not ours\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, -4, plain
    EXPECT ERR_ADDRESS, "a name around the end\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, KERNEL_BASE - 4
    EXPECT ERR_ADDRESS, "a registration that is not ours\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, unknown
    EXPECT ERR_ARGUMENT, "no such method\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, no_signal
    EXPECT ERR_ARGUMENT, "no real-time signal\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, lists, no_handler
    EXPECT ERR_SERVICE, "no kernel handler\n"
    FAST 0
    EXPECT ERR_CHANNEL, "not registered\n"

    CALL_KERNEL SYS_ECALLS_REGISTER, probe, plain
    EXPECT 0, "registered\n"
    mov edi, 11
    mov ebp, 12
    FAST 0
    EXPECT 1, "fast: the number of the process\n"
    FAST_SYSENTER 0
    EXPECT 1, "fast, by SYSENTER\n"
    lea eax, [edi + ebp]
    EXPECT 23, "registers are kept\n"
    FAST 0, PROBE_FULL
    EXPECT ERR_PROCESS, "as a system call, which takes the argument for a process\n"
    FAST_SYSENTER 0, PROBE_FULL
    EXPECT ERR_PROCESS, "likewise\n"
    CALL_KERNEL SYS_ECALL, probe, 0, 0
    EXPECT 1, "by name\n"
    CALL_KERNEL SYS_ECALL, io, 0, 0
    EXPECT ERR_SERVICE, "a service without a system call\n"
    CALL_KERNEL SYS_ECALL, other, 0, 0
    EXPECT ERR_SERVICE, "no service\n"
    FAST 1
    EXPECT ERR_CHANNEL, "another channel\n"
    FAST CHANNELS_OWNED
    EXPECT ERR_CHANNEL, "beyond the last\n"
    FAST 0x7FFFFFFF
    EXPECT ERR_CHANNEL, "the end of a handler that does not run\n"
    FAST_SYSENTER 0x7FFFFFFF
    EXPECT ERR_CHANNEL, "likewise\n"

    ; As many as there may be; a place that is given back is free again.
    mov ebp, CHANNELS_OWNED - 1
.Lmore:
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, plain
    dec ebp
    jnz .Lmore
    EXPECT CHANNELS_OWNED - 1, "the last one\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, plain
    EXPECT ERR_FULL, "no more\n"
    mov dword ptr [ECALL_TELL + 2 * ECALL_SPAN + 100], 5
    CALL_KERNEL SYS_ECALLS_UNREGISTER, 2
    EXPECT 0, "one less\n"
    CALL_KERNEL SYS_ECALLS_UNREGISTER, 2
    EXPECT ERR_CHANNEL, "once only\n"
    FAST 2
    EXPECT ERR_CHANNEL, "gone\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, plain
    EXPECT 2, "again\n"
    mov eax, [ECALL_TELL + 2 * ECALL_SPAN + 100]
    EXPECT 0, "and empty\n"
    CALL_KERNEL SYS_ECALLS_WAIT, CHANNELS_OWNED
    EXPECT ERR_CHANNEL, "nothing to wait for\n"
    mov eax, ECALL_CALLS
    int VECTOR_SYSCALL
    EXPECT ERR_CALL, "no such call\n"
    EXIT 0
