; Every call that waits is interrupted by a signal: signal_sender.asm is the other program.

.include "signals.inc"

ACTION handled, handler
REGISTRATION_OF plain, 0
NAME probe, "probe"

UNTIL_SIGNAL = 1000             ; ticks
FOR_EVER = -1

.text

; _start: the program.
.global _start
_start:
    CALL_KERNEL SYS_SIGACTION, SIGUSR1, handled
    CALL_KERNEL SYS_SLEEP, UNTIL_SIGNAL
    EXPECT ERR_INTERRUPTED, "sleep\n"
    CALL_KERNEL SYS_SIGSUSPEND, 0, 0
    EXPECT ERR_INTERRUPTED, "sigsuspend\n"
    CALL_KERNEL SYS_SIGWAITINFO, 0, 2, 0
    EXPECT ERR_INTERRUPTED, "sigwaitinfo\n"
    CALL_KERNEL SYS_SOCKET_BIND, 7
    mov [bound], eax
    CALL_KERNEL SYS_SOCKET_RECEIVE, eax, datagram, 4
    EXPECT ERR_INTERRUPTED, "receive\n"
    CALL_KERNEL SYS_SOCKET_LISTEN, 80, 1
    CALL_KERNEL SYS_SOCKET_ACCEPT, eax
    EXPECT ERR_INTERRUPTED, "accept\n"
    CALL_KERNEL SYS_SOCKET_WAIT, 0
    EXPECT ERR_INTERRUPTED, "any socket\n"
    CALL_KERNEL SYS_ECALLS_REGISTER, probe, plain
    CALL_KERNEL SYS_ECALLS_WAIT, eax
    EXPECT ERR_INTERRUPTED, "events\n"
    CALL_KERNEL SYS_SELECT, sockets, 32, FOR_EVER
    EXPECT ERR_INTERRUPTED, "select\n"
    CALL_KERNEL SYS_READY, sockets, 1, FOR_EVER
    EXPECT ERR_INTERRUPTED, "ready\n"
    CALL_KERNEL SYS_RINGS, rings
    mov eax, [bound]
    mov [rings + RINGS_SUBMISSIONS + SUBMISSION_SOCKET], eax
    mov dword ptr [rings + RINGS_SUBMISSIONS + SUBMISSION_OPERATION], RING_POLL
    mov dword ptr [rings + RINGS_SUBMISSIONS + SUBMISSION_ADDRESS], READY_READ
    mov dword ptr [rings + RINGS_GIVEN], 1
    CALL_KERNEL SYS_RINGS_ENTER, 1, 0
    CALL_KERNEL SYS_RINGS_ENTER, 0, 1
    EXPECT ERR_INTERRUPTED, "rings\n"

    ; Not if it is blocked, or dropped; but then one can wait for it.
    CALL_KERNEL SYS_SIGPROCMASK, 1 << SIGUSR1, 0
    CALL_KERNEL SYS_SLEEP, 6
    EXPECT 0, "not if it is blocked\n"
    CALL_KERNEL SYS_SIGWAITINFO, 1 << SIGUSR1, 0, value
    EXPECT SIGUSR1, "it is there\n"
    CALL_KERNEL SYS_SIGWAITINFO, 1 << SIGUSR1, 2, value
    EXPECT SIGUSR1, "once more\n"
    CALL_KERNEL SYS_SIGACTION, SIGUSR1, ignored
    CALL_KERNEL SYS_SIGPROCMASK, 0, 0
    CALL_KERNEL SYS_SLEEP, 6
    EXPECT 0, "nor if it is dropped\n"
    EXIT 0

handler:
    SAY "    handled\n"
    ret
TRAMPOLINE

ACTION ignored, SIG_IGN

.bss
.align 4
value:
    .space 4
bound:                          ; a socket
    .space 4
datagram:
    .space 64
sockets:                        ; a SELECT, or a READINESS
    .space SELECT_SIZE
rings:
    .space RINGS_SIZE
