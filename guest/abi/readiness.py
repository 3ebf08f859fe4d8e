"""What programs of the kernel `ecalls` can know of many sockets: select, interest and readiness, rings; and the data
segments of the service `io`, the paper's I/O event module.
"""

from __future__ import annotations

from guest.abi.layout import Layout, gap, group, u32
from guest.abi.words import Word


class Ready(Word):
    """What a socket is ready for, added up"""

    READY_READ = 1, "to accept, read or receive would not wait"
    READY_WRITE = 2, "to write would not wait"
    READY_ANY = 3, "all of them"


class ReadinessSize(Word):
    """Sizes"""

    READY_WORDS = 16, "words of a set of sockets: bit n is socket n"
    RING_SUBMISSIONS = 64, "submissions of RINGS; a power of two"
    RING_COMPLETIONS = 512, "its completions; a power of two"


class RingOperation(Word):
    """SUBMISSION_OPERATION: as the system call of that name. None waits: its completion comes later, with ERR_AGAIN if
    SOCKET_NOW was added to the socket
    """

    RING_NOP = 0, "nothing: 0"
    RING_ACCEPT = 1, "accept"
    RING_READ = 2, "read into `length` bytes at `address`"
    RING_WRITE = 3, "write `length` bytes at `address`"
    RING_CLOSE = 4, "close; what still waits for that socket is completed with ERR_SOCKET"
    RING_FINISH = 5, "finish"
    RING_POLL = 6, "completed when the socket is ready for one of the READY_ bits in `address`: with those that it is"


class IoControl(Word):
    """The service `io`: overload control"""

    IO_HALF_STEP = 8, "half open connections that a listener may have more when the load is less, every"
    IO_HALF_TIME = 10, "milliseconds"


class IoParameter(Word):
    """The service `io`: what an image may set"""

    IO_HALF_LEAST = 8, "half open connections that a listener always may have"


SELECT = Layout(
    "SELECT", "Two sets of sockets: those that SYS_SELECT is to look at, and then those of them that are ready",
    gap("read", 4 * ReadinessSize.READY_WORDS, "for READY_READ"),
    gap("write", 4 * ReadinessSize.READY_WORDS, "for READY_WRITE"),
)

READINESS = Layout(
    "READINESS", "A socket that is ready, as SYS_READY tells",
    u32("socket", "its number"),
    u32("bits", "what it is ready for, of what it was to be looked at for", Ready),
    u32("data", "what SYS_INTEREST was given with it"),
)

SUBMISSION = Layout(
    "SUBMISSION", "Something to be done",
    u32("operation", "what", RingOperation),
    u32("socket", "with which socket"),
    u32("address", "of data, or bits"),
    u32("length", "bytes"),
    u32("data", "whatever the program puts here"),
)

COMPLETION = Layout(
    "COMPLETION", "Something that was done",
    u32("result", "what the system call would have answered"),
    u32("data", "SUBMISSION_DATA"),
)

RINGS = Layout(
    "RINGS", "Submissions and completions in a program's memory. Number n stands at n modulo their count; nothing is "
    "taken for whose completion there is no room, so none is lost",
    u32("taken", "by the kernel: submissions that it has taken"),
    u32("given", "by the program: those that it has put there"),
    u32("heard", "by the program: completions that it has taken"),
    u32("done", "by the kernel: those that it has put there, always in SYS_RINGS_ENTER"),
    gap("submissions", ReadinessSize.RING_SUBMISSIONS * SUBMISSION.size, "SUBMISSIONs"),
    gap("completions", ReadinessSize.RING_COMPLETIONS * COMPLETION.size, "COMPLETIONs"),
)

SOCKET_INTEREST = Layout(
    "SOCKET_INTEREST", "The service `io`: what a program tells",
    u32("flag", "changes that have not been heard"),
    gap("fd_list", 4 * ReadinessSize.READY_WORDS, "sockets of which it wants to hear: for READY_READ,"),
    gap("fd_write", 4 * ReadinessSize.READY_WORDS, "and for READY_WRITE"),
    gap("updated_fd_list", 4 * ReadinessSize.READY_WORDS, "sockets for which that has changed, or is to be looked at "
        "again; the kernel resets it"),
    group("who displays frames: hears that there is one shortly before its time"),
    u32("period", "milliseconds between two frames; 0: it is told of everything at once"),
    u32("frames", "that were displayed; before the first one, likewise"),
    u32("displayed", "when the latest was, in milliseconds as SYS_TIME counts"),
    u32("lead", "milliseconds that it wants before the next one's time"),
    group("who serves connections: overload control. Above both thresholds, fewer may be half open"),
    u32("numconnects", "connections that it serves"),
    u32("connects_threshold", "threshold of these; 0: no control"),
    u32("waiting_threshold", "of connections that wait to be accepted"),
)

SOCKET_READY = Layout(
    "SOCKET_READY", "The service `io`: what it tells",
    u32("flag", "bits of fd_active that are set: the program resets a bit, and decrements this if it was set"),
    gap("fd_active", 4 * ReadinessSize.READY_WORDS, "sockets with which something has happened; then it does what it "
        "can with them until ERR_AGAIN"),
    group("overload control"),
    u32("half_limit", "connections that may be half open"),
    u32("shrunk", "times that these became fewer"),
    u32("dropped", "that were not let in while they were fewer"),
)

WATCHED = Layout(
    "WATCHED", "Who wants to know of a socket, beside whoever waits in its calls; all zero: nobody",
    u32("owner", "PCB of its owner"),
    group("SYS_INTEREST"),
    u32("wants", "for what", Ready),
    u32("data", "as the program says"),
    u32("queued", "not 0: it is among those that may be ready"),
    u32("next", "the next one of these, or 0"),
    u32("previous", "the one before, or 0"),
    group("SYS_RINGS"),
    u32("operation", "OPERATION that waits for it the longest, or 0"),
    u32("operation_wants", "what these wait for", Ready),
    u32("due", "not 0: it is among those whose OPERATIONs are to be tried again"),
    u32("due_next", "the next one of these, or 0"),
    group("the service `io`"),
    u32("channel", "CHANNEL that hears of it, or 0"),
    u32("channel_wants", "for what", Ready),
    u32("delayed", "not 0: it is among those that are told of later"),
    u32("delayed_next", "the next one of these, or 0"),
    gap("none", 8, "to fill a power of two"),
)

OPERATION = Layout(
    "OPERATION", "A submission that has been taken and cannot be completed yet",
    u32("next", "the next one that waits for that socket, or is free; or 0"),
    gap("submission", SUBMISSION.size, "a SUBMISSION"),
)

WATCHER = Layout(
    "WATCHER", "What a process wants to know of its sockets; all zero: nothing",
    u32("until", "SYS_SELECT, SYS_READY: tick until which it waits at most"),
    u32("select", "while it waits in SYS_SELECT: its SELECT, a copy in the kernel"),
    u32("select_most", "and the last socket that counts there"),
    u32("waits", "not 0: it waits in SYS_READY or SYS_RINGS_ENTER"),
    u32("first", "SYS_INTEREST: WATCHED of the socket that may be ready and was not looked at for longest; or 0"),
    u32("last", "the last one of these, or 0"),
    u32("rings", "its RINGS, or 0"),
    u32("taken", "RINGS_TAKEN, as it really is"),
    u32("done", "RINGS_DONE, likewise"),
    u32("operations", "OPERATIONs that wait"),
    u32("free", "first free one, or 0"),
    u32("pages", "first page of OPERATIONs, linked by its first word; or 0"),
    u32("due_first", "WATCHED whose OPERATIONs are to be tried first, by WATCHED_DUE_NEXT; or 0"),
    u32("due_last", "the last one of these"),
)

IO = Layout(
    "IO", "What the service `io` knows of a channel",
    u32("channel", "CHANNEL; 0: free"),
    u32("next", "the next one in use, or 0"),
    u32("delayed", "first WATCHED of those that are told of at `due`, or 0"),
    u32("due", "milliseconds"),
    u32("key", "and the display time that it is told for"),
    u32("listener", "SOCKET whose half open connections are controlled, or 0"),
    u32("half_limit", "how many it may have without control"),
    u32("dropped", "COUNT_TCP_SYN at the last look"),
    u32("restored", "milliseconds at which some came back last"),
)
