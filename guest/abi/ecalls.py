"""The kernel `ecalls`: events between programs and extensions of the kernel, and the kernel's own objects for them.

Names are those of the paper: an extension offers a service, an application registers for it; what both then have in
common is a channel, with a data segment for each direction.
"""

from __future__ import annotations

from guest.abi.dwcs import DWCS
from guest.abi.layout import Layout, gap, u32
from guest.abi.linux import LINUX
from guest.abi.network import TASK
from guest.abi.readiness import WATCHER
from guest.abi.signals import SIGS
from guest.abi.words import Word


class EcallsParameter(Word):
    """Parameters; ECALLS is set by a kernel for itself"""

    ECALLS = 0, "1: it has ECalls"
    HANDLER_TICKS = 2, "ticks: a handler in which that many begin is ended"


class EcallVector(Word):
    """Gates"""

    VECTOR_ECALL = 0x81, "Fast User-ECall (INT 81h), and the end of a user handler"


class EcallCall(Word):
    """System calls, behind those for sockets: number in EAX, arguments in EBX, ESI and EDI, result in EAX. Those that
    wait answer ERR_INTERRUPTED when a signal's handler has run meanwhile, or a signal has stopped the program
    """

    SYS_SIGACTION = 17, (
        "sigaction(EBX = signal, ESI = SIGACTION, or 0: the default): what the program does with a signal; 0, "
        "ERR_ARGUMENT, ERR_ADDRESS, ERR_MEMORY")
    SYS_SIGRETURN = 18, (
        "sigreturn(): the end of a signal's handler, ESP = address of SIGINFO_NUMBER: what it interrupted goes on, "
        "with the registers that stand there")
    SYS_SIGPROCMASK = 19, (
        "sigprocmask(EBX = bit n: signal n is blocked, ESI = bit n: signal 32 + n is): the former in EAX and EBX")
    SYS_SIGQUEUE = 20, (
        "sigqueue(EBX = process, ESI = signal, or 0: none, EDI = value): 0, ERR_PROCESS, ERR_ARGUMENT, ERR_FULL: too "
        "many real-time signals are queued")
    SYS_SIGWAITINFO = 21, (
        "sigwaitinfo(EBX = bit n: signal n, ESI = bit n: signal 32 + n, EDI = address of a word, or 0): waits for one "
        "of them and takes it: the signal, its value in the word; those that are not blocked are had this way only "
        "while it waits; ERR_ADDRESS")
    SYS_SIGSUSPEND = 22, (
        "sigsuspend(EBX, ESI = as sigprocmask): with these blocked, waits until a signal's handler has run, and "
        "then blocks what it was before; ERR_INTERRUPTED")
    SYS_SCHED_SET = 23, (
        "sched_setscheduler(EBX = process, 0: the caller, ESI = SCHED_ policy, EDI = real-time priority, or nice, or "
        "for SCHED_DWCS the address of a WINDOW): 0, ERR_PROCESS, ERR_ARGUMENT, ERR_ADDRESS, ERR_ADMISSION")
    SYS_SCHED_GET = 24, (
        "sched_getscheduler(EBX = process, 0: the caller, ESI = SCHEDULED, or 0): its SCHED_ policy; ERR_PROCESS, "
        "ERR_ADDRESS")
    SYS_ECALLS_REGISTER = 25, (
        "ECalls_register(EBX = name of a service, ESI = REGISTRATION): the channel's number, its data segments are at "
        "ECALL_TELL and ECALL_HEAR + ECALL_SPAN * number; ERR_SERVICE, ERR_FULL, ERR_ADDRESS, ERR_ARGUMENT, ERR_MEMORY")
    SYS_ECALLS_UNREGISTER = 26, "ECalls_unregister(EBX = channel): 0; ERR_CHANNEL"
    SYS_ECALL = 27, (
        "the generic system call(EBX = name of a service, ESI, EDI = as the service says): what it answers; "
        "ERR_SERVICE, ERR_ADDRESS")
    SYS_ECALLS_WAIT = 28, (
        "wait(EBX = channel): waits until its flag from the kernel is not 0: 0; ERR_CHANNEL, ERR_INTERRUPTED")
    SYS_SELECT = 29, (
        "select(EBX = SELECT, ESI = sockets, EDI = ticks, 0: do not wait, -1: for ever): looks at the sockets from 1 "
        "to that many that are set in it, and leaves those set that are ready: how many; ERR_ADDRESS, ERR_SOCKET, "
        "ERR_INTERRUPTED")
    SYS_INTEREST = 30, (
        "interest(EBX = socket, ESI = READY_ bits, 0: none, EDI = data): SYS_READY tells of it when it is ready for "
        "one of these; 0, ERR_SOCKET, ERR_ARGUMENT")
    SYS_READY = 31, (
        "ready(EBX = array of READINESS, ESI = how many it holds, EDI = ticks as SYS_SELECT): those of the sockets of "
        "SYS_INTEREST that are ready: how many; ERR_ADDRESS, ERR_ARGUMENT, ERR_INTERRUPTED")
    SYS_RINGS = 32, (
        "rings(EBX = address of RINGS, 0: none any more): submissions and completions go by these rings; 0, "
        "ERR_ADDRESS, ERR_ARGUMENT, ERR_MEMORY")
    SYS_RINGS_ENTER = 33, (
        "enter(EBX = submissions to take at most, ESI = completions to wait for): submissions taken; ERR_ARGUMENT, "
        "ERR_INTERRUPTED")


class EcallCallRange(Word):
    """Their numbers"""

    ECALL_CALLS = EcallCall.SYS_RINGS_ENTER + 1, "system calls; a number from here on is answered with ERR_CALL"


class FastCall(Word):
    """EAX of `int VECTOR_ECALL`, or of SYSENTER: not a system call. EBX is the argument, the result is in EAX; ECX and
    EDX are destroyed
    """

    ECALL_FAST = 1 << 31, "Fast User-ECall: this plus the channel's number; ERR_CHANNEL, ERR_RECURSION"
    ECALL_RETURN = 0xFFFF_FFFF, "the end of a user handler: EBX = FILTER_ bits"


class EcallError(Word):
    """Errors, besides those of the first kernel, of sockets, and ERR_MEMORY and ERR_INTERRUPTED"""

    ERR_PROCESS = -14, "no such process"
    ERR_SERVICE = -15, "no service of that name, or it does not offer that"
    ERR_CHANNEL = -16, "no channel of this program"
    ERR_RECURSION = -17, "a handler may not call the kernel"
    ERR_ADMISSION = -18, "with these attributes some process could miss more than it may"


class FastResult(Word):
    """What the handler of a Fast User-ECall gives back in EDX (figure 2); 0: straight back to the program"""

    RUN_SYSCALL = 1, "it could not do it without waiting: the service's system call is to be run"
    RUN_BOTTOM_HALVES = 2, "bottom halves, if there are any,"
    NEED_RESCHED = 4, "the scheduler, if it is due,"
    SIGNALS_PENDING = 8, "and signals are to be looked at"


class Method(Word):
    """REGISTRATION_METHODS, CHANNEL_METHODS: what an event of the kernel does, added up. They come in this order"""

    METHOD_KERNEL = 1, "runs the service's kernel handler"
    METHOD_USER = 2, "runs the program's user handler"
    METHOD_FILTER = 4, "what follows is done only if each of these handlers has answered FILTER_PASS"
    METHOD_SIGNAL = 8, "queues a real-time signal with the event's value"
    METHOD_THREAD = 16, "wakes the kernel handler thread"
    METHOD_QUEUE = 32, "stands in the event queue, by which the scheduler prefers its program, until flag is 0"
    METHODS = 63, "all of them"


class Filter(Word):
    """What a handler of kernel events answers"""

    FILTER_DROP = 0, "that is all"
    FILTER_PASS = 1, "what METHOD_FILTER holds back is to follow"


class Defer(Word):
    """CONTROL_WHEN: when a deferred User-ECall is heard, added up"""

    DEFER_CALL = 1, "at the return of the program's next system call"
    DEFER_TICKS = 2, "when CONTROL_DELAY ticks have passed"
    DEFER_SCHEDULE = 4, "before the scheduler chooses next"


class Organization(Word):
    """How a data segment is organized: by the service, for each direction"""

    DATA_NONE = 0, "as the service and the program like, behind flag"
    DATA_NEXT = 1, "ECALL_LIST: entries of one type, each in the next free slot"
    DATA_PRIORITY = 2, "ECALL_LIST: the slot is the priority; slot 0 is read first"
    DATA_TYPE = 3, "ECALL_LIST: the slot says the type"
    DATA_RING = 4, "ECALL_RING"


class Overflow(Word):
    """CONTROL_OVERFLOW: what becomes of an event for which a list or ring has no room"""

    OVERFLOW_NEWEST = 0, "it is dropped"
    OVERFLOW_OLDEST = 1, "the one that has waited longest is dropped (a ring's)"


class EcallSize(Word):
    """Sizes"""

    ECALL_TELL = 0xBF40_0410, ("channel 0's data segment in which the program tells; many things begin where pages do, "
                               "and caches hold few such lines")
    ECALL_HEAR = 0xBF40_1610, "that in which the kernel tells"
    ECALL_SPAN = 8192, "from those of a channel to those of the next: a page for each segment"
    ECALL_SLOTS = 256, "slots of an ECALL_LIST at most"
    CHANNELS_OWNED = 8, "channels of a program"
    CHANNELS = 64, "channels of all programs"
    SEGMENT_CONTROL = -16, "where CONTROL is, seen from its data segment: in front of it, in the same line of a cache"
    SEGMENT_MAX = 2544, "bytes of a data segment"
    SERVICE_NAME_MAX = 32, "characters of a service's name, with the zero byte behind it"


class Probe(Word):
    """The service `probe`: values of its events that its kernel handler does not just look at; and more"""

    PROBE_SPIN = 1, "it runs for ever"
    PROBE_FAULT = 2, "it reads where there is nothing"
    PROBE_RAISE = 3, "it raises an event for the same channel"
    PROBE_HEARD = 4, "argument of a Fast User-ECall: what was heard of the caller, in place of who it is"
    PROBE_FULL = 5, "likewise: all that a Fast User-ECall can turn into: a system call, and all of a system call's end"
    PROBE_SLOTS = 64, "entries of its segments, each a word"


class BottomHalf(Word):
    """Bits of `bottom_halves`, by number: what had to wait until no handler runs"""

    BOTTOM_LINE = 0, "the card's interrupt line is to be opened again"
    BOTTOM_EVENTS = 1, "events were raised"


class Due(Word):
    """PCB_DUE: what a process has to do before it goes on"""

    DUE_SIGNAL = 1, "a signal that it does not block is pending"
    DUE_END = 2, "a kernel handler thread: it has to end"


ECALL_LIST = Layout(
    "ECALL_LIST", "A data segment that is organized as a list; the entries follow",
    u32("flag", "events that have not been heard"),
    gap("bit_pattern", EcallSize.ECALL_SLOTS // 8, "bit n: slot n holds an event"),
)

ECALL_RING = Layout(
    "ECALL_RING", "A data segment that is organized as a ring; the entries follow",
    u32("flag", "events that have not been heard"),
    u32("front", "slot of the first of them"),
    u32("back", "slot behind the last of them"),
)

CONTROL = Layout(
    "CONTROL", "What stands in front of a data segment",
    u32("when", "to the kernel: when it is to hear, DEFER_ bits", Defer),
    u32("delay", "to the kernel, DEFER_TICKS: ticks"),
    u32("overflow", "what becomes of an event for which there is no room", Overflow),
    u32("lost", "events that were dropped"),
)

SHAPE = Layout(
    "SHAPE", "What a program has to know of a data segment to use it: in its own memory, for its library alone",
    u32("organization", "how it is organized", Organization),
    u32("bytes", "of an entry, a multiple of 4"),
    u32("slots", "how many there are"),
    u32("slot", "DATA_PRIORITY, DATA_TYPE: the slot to put into; the slot that was taken"),
    u32("when", "ecall_defer: DEFER_ bits", Defer),
    u32("delay", "ecall_defer, DEFER_TICKS: ticks"),
)

REGISTRATION = Layout(
    "REGISTRATION", "What SYS_ECALLS_REGISTER reads: how the program wants to hear of events",
    u32("methods", "METHOD_ bits", Method),
    u32("handler", "METHOD_USER: address of the user handler: EAX = value, EBX = address of the kernel's segment; it "
        "ends by ECALL_RETURN"),
    u32("stack", "METHOD_USER: top of its stack"),
    u32("signal", "METHOD_SIGNAL: a real-time signal, SIGRTMIN to SIGRTMAX"),
)

SERVICE = Layout(
    "SERVICE", "A service of an extension, in the extension's own data; 0 for a routine: it does not offer that",
    u32("next", "the next service, or 0"),
    u32("name", "its name, at most SERVICE_NAME_MAX bytes"),
    u32("fast", "hears a Fast User-ECall"),
    u32("call", "hears the generic system call"),
    u32("deferred", "hears deferred User-ECalls, once for all of them"),
    u32("handler", "METHOD_KERNEL: the kernel handler"),
    u32("thread", "METHOD_THREAD: what the kernel handler thread runs"),
    u32("begin", "a program has registered"),
    u32("end", "a program is gone"),
    u32("to_kernel", "how what programs tell is organized", Organization),
    u32("to_kernel_size", "bytes of an entry, a multiple of 4"),
    u32("to_kernel_slots", "how many there are"),
    u32("to_user", "how what it tells is organized", Organization),
    u32("to_user_size", "bytes of an entry, a multiple of 4"),
    u32("to_user_slots", "how many there are"),
)

CHANNEL = Layout(
    "CHANNEL", "A program's registration for a service",
    u32("owner", "PCB; 0: free"),
    u32("number", "what the program calls it"),
    u32("service", "SERVICE"),
    u32("fast", "SERVICE_FAST"),
    u32("methods", "what an event does", Method),
    u32("handler", "address of the user handler"),
    u32("stack", "top of its stack"),
    u32("signal", "the real-time signal"),
    u32("to_kernel", "address of the segment in which the program tells, in the window"),
    u32("to_user", "likewise, in which the kernel tells"),
    u32("user", "and that one's in the program"),
    u32("thread", "TCB of the kernel handler thread, or 0"),
    u32("work", "events that it has not seen"),
    u32("raised", "not 0: it is among the events that wait until a running handler has ended"),
    u32("value", "of that event"),
    u32("key", "its priority: the lowest comes first"),
    u32("raised_next", "the next one of these, or 0"),
    u32("queued", "not 0: it is in the event queue"),
    u32("queue_key", "with that key"),
    u32("queue_next", "the next one there, or 0"),
    u32("due", "deferred: the tick at which it is heard; means nothing unless `armed`"),
    u32("armed", "not 0: it counts ticks"),
    u32("deferring", "the next one of all whose service hears such events, or 0"),
    u32("sibling", "the next one of its owner's, or 0"),
    u32("aborted", "handlers that ran too long, or did something wrong"),
    u32("waiting", "not 0: the program waits in SYS_ECALLS_WAIT"),
    u32("private", "whatever the service puts here"),
)

PCB = Layout(
    "PCB", "Control block of a process: a TASK with more. A process has one thread",
    gap("task", TASK.size, "a TASK"),
    u32("next", "the process that began before it, or 0"),
    u32("due", "DUE_ bits; 0: nothing is to be done on the way back to the program", Due),
    u32("timed", "THREAD_WAITING: not 0: until a tick"),
    gap("channels", 4 * EcallSize.CHANNELS_OWNED, "its CHANNELs by number, or 0"),
    u32("deferring", "the first of those whose service hears deferred events, by CHANNEL_SIBLING; or 0"),
    gap("signals", SIGS.size, "its signals: a SIGS"),
    gap("linux", LINUX.size, "how it is scheduled: a LINUX"),
    gap("dwcs", DWCS.size, "or a DWCS"),
    gap("watcher", WATCHER.size, "what it wants to know of its sockets: a WATCHER"),
)
