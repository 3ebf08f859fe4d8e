; A kernel handler thread: it runs when the program waits, it may wait itself, and it ends with the program.

.include "ecalls.inc"

REGISTRATION_OF thread, METHOD_THREAD
NAME probe, "probe"

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, thread
    EXPECT 0, "registered\n"
    CALL_KERNEL SYS_ECALL, probe, 1, 5
    EXPECT 0, "raised\n"
    CALL_KERNEL SYS_SLEEP, 3
    FAST 0, PROBE_HEARD
    EXPECT 1, "the thread has run\n"
    CALL_KERNEL SYS_ECALL, probe, 1, 6
    CALL_KERNEL SYS_ECALL, probe, 1, 7
    CALL_KERNEL SYS_SLEEP, 3
    FAST 0, PROBE_HEARD
    EXPECT 2, "once for both\n"
    CALL_KERNEL SYS_ECALLS_UNREGISTER, 0
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, thread
    CALL_KERNEL SYS_ECALL, probe, 1, 8
    EXIT 0
