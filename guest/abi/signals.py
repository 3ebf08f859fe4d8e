"""Signals of the kernel `ecalls`: POSIX.4's, ordinary and real-time ones."""

from __future__ import annotations

from guest.abi.activations import REGS
from guest.abi.layout import Layout, gap, u32
from guest.abi.words import Word


class Sig(Word):
    """Signals: 1 to 31 are ordinary, with the numbers of Linux, and these the kernel knows. What is not said to do
    something else ends a program that has no handler for it, with exit code EXIT_SIGNAL plus its number
    """

    SIGKILL = 9, "ends the program; it is never blocked and has no handler"
    SIGSEGV = 11, "its user handler has used memory that it does not have; its stack has no room for a signal's handler"
    SIGCHLD = 17, "dropped, unless there is a handler"
    SIGCONT = 18, "lets a stopped program go on, and then is dropped, unless there is a handler"
    SIGSTOP = 19, "stops the program; it is never blocked and has no handler"
    SIGTSTP = 20, "stops the program, unless there is a handler"
    SIGURG = 23, "dropped, unless there is a handler"
    SIGXCPU = 24, "its user handler has run too long"
    SIGRTMIN = 32, "the first real-time signal, the most urgent of them: these are queued, each with its value"
    SIGRTMAX = 63, "the last one"


class SigSet(Word):
    """Sets of ordinary signals, bit n: signal n"""

    SIGNALS_FIRST = 1 << Sig.SIGKILL | 1 << Sig.SIGSTOP, "neither blocked nor handled; more urgent than real-time ones"
    SIGNALS_STOP = 1 << Sig.SIGSTOP | 1 << Sig.SIGTSTP, "they stop the program that has no handler for them"
    SIGNALS_DROPPED = 1 << Sig.SIGCHLD | 1 << Sig.SIGCONT | 1 << Sig.SIGURG, "dropped if there is no handler for them"


class SigHandler(Word):
    """SIGACTION_HANDLER, if it is no address"""

    SIG_DFL = 0, "the default: what is said of the signal"
    SIG_IGN = 1, "the signal is dropped, also if it is blocked or pending"


class SigExit(Word):
    """Exit codes, above those of faults"""

    EXIT_SIGNAL = 160, "a signal ended it: this plus the signal"


class SigState(Word):
    """States of a process, beyond THREAD_WAITING and those of the first kernel"""

    THREAD_STOPPED = 7, "stopped by a signal, until SIGCONT or SIGKILL"


class SigSize(Word):
    """Sizes"""

    SIGQUEUE_MAX = 256, "real-time signals that are queued for a process, of all together"
    SIGACTION_SHIFT = 4, "SIGACTION_SIZE as a power of two"


SIGACTION = Layout(
    "SIGACTION", "What a program does with a signal",
    u32("handler", "address of its handler, or", SigHandler),
    u32("trampoline", "where the handler's RET goes: it calls SYS_SIGRETURN"),
    u32("blocked", "bit n: signal n is blocked while the handler runs; the handler's own signal always is"),
    u32("blocked_rt", "bit n: signal 32 + n is"),
)

SIGINFO = Layout(
    "SIGINFO", "A handler's frame: ESP at its entry. When the trampoline calls SYS_SIGRETURN, ESP is the address of "
    "SIGINFO_NUMBER",
    u32("return", "the trampoline"),
    u32("number", "the signal"),
    u32("value", "of a real-time signal; 0 of others"),
    u32("blocked", "bit n: signal n was blocked; from SYS_SIGRETURN on it is what stands here"),
    u32("blocked_rt", "bit n: signal 32 + n was; likewise"),
    gap("regs", REGS.size, "REGS of what was interrupted, exactly; from SYS_SIGRETURN on what stands here, as far as a "
        "program may have it"),
)

SIGS = Layout(
    "SIGS", "The signals of a process; all zero to begin with",
    u32("pending", "bit n: signal n is pending"),
    u32("pending_rt", "bit n: signal 32 + n is"),
    u32("blocked", "bit n: signal n is blocked"),
    u32("blocked_rt", "bit n: signal 32 + n is"),
    u32("waited", "bit n: signal n ends the SYS_SIGWAITINFO in which it waits"),
    u32("waited_rt", "bit n: signal 32 + n does"),
    u32("kept", "SYS_SIGSUSPEND: what `blocked` will be afterwards"),
    u32("kept_rt", "likewise `blocked_rt`"),
    u32("suspended", "not 0: `kept` and `kept_rt` mean something"),
    u32("table", "a SIGTABLE, or 0: no handlers, and none queued so far"),
    u32("lost", "real-time signals for which there was no room in the queue"),
)

SIGFIFO = Layout(
    "SIGFIFO", "Those of one real-time signal that are queued",
    u32("first", "the SIGENTRY that came first, or 0"),
    u32("last", "the one that came last; means nothing without a first"),
)

SIGENTRY = Layout(
    "SIGENTRY", "A real-time signal that is queued",
    u32("next", "the next one of the same signal, or of those that are free; or 0"),
    u32("value", "its value"),
)

SIGTABLE = Layout(
    "SIGTABLE", "A frame with what a process does with signals, and with those that are queued",
    gap("actions", SIGACTION.size * (Sig.SIGRTMAX + 1), "SIGACTIONs by number"),
    gap("fifos", SIGFIFO.size * (Sig.SIGRTMAX + 1 - Sig.SIGRTMIN), "SIGFIFOs of real-time signals"),
    u32("free", "the first SIGENTRY that is free, or 0"),
    gap("entries", SIGENTRY.size * SigSize.SIGQUEUE_MAX, "SIGENTRYs"),
)
