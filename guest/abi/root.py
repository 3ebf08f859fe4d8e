"""What the root task and its programs agree on, and the objects of the root task and of the programs' library.

The kernel knows nothing of this: another root task can do as it likes.
"""

from __future__ import annotations

from guest.abi.layout import Layout, gap, group, u32
from guest.abi.memory import Memory
from guest.abi.micro import ThreadId
from guest.abi.words import Word


class Request(Word):
    """Requests to the root task: a call with this label; the answer is MR1, 0 if it is refused"""

    ROOT_EXIT = 1, "MR1 = exit code: ends the program; no answer"
    ROOT_PRINT = 2, ("MR1 = length, up to PRINT_MAX, then the text: to the console, whole; 1, or -1 if there was no "
                      "room, but is now: ask again")
    ROOT_MEMORY = 3, "MR1 = pages: so many more of zeros; the first address"
    ROOT_THREAD = 4, ("MR1 = EIP, MR2 = ESP, MR3 = scheduler or NIL_THREAD: a thread in the caller's space; its "
                      "identifier")
    ROOT_END = 5, "MR1 = thread of the program: ends it; 1"
    ROOT_SCHEDULER = 6, "MR1 = thread of the program, MR2 = its new scheduler or NIL_THREAD; 1"
    ROOT_PRIORITY = 7, "MR1 = thread of the program, MR2 = its priority, not above the caller's own; 1"
    ROOT_SLEEP = 8, "MR1 = ticks: waits for the last of them; the number of that tick; `uls` only"
    ROOT_WATCH = 9, ("MR1 = address of a WATCH that the caller, a scheduler, keeps, a multiple of 8, 0 to end it: the "
                     "watchdog; 1; `uls` only")
    ROOT_PUMP = 10, "from the console thread alone: it has written everything; an answer when there is more"
    ROOT_DEVICE = 11, ("MR1 = device << 16 | vendor of a PCI function on bus 0 that nobody has: it is the program's; "
                       "the address of its registers (BAR 0), MR2 = its interrupt line; it may not reach memory yet")
    ROOT_DMA = 12, ("MR1 = pages: so many more of zeros, physically in one piece; the first address, MR2 = its "
                    "physical address; its devices may reach memory from now on, all of it: reset them before")
    ROOT_INTERRUPT = 13, ("MR1 = line of a device of the program: the caller is its handler, and gets LABEL_INTERRUPT "
                          "messages; 1")


class Handler(Word):
    """ROOT_INTERRUPT"""

    PRIORITY_HANDLER = 200, "in `l4`, the priority of the one who asks: above that of every program"


class RootThread(Word):
    """Threads that every program knows"""

    ROOT_TASK = ThreadId.FIRST_THREAD << ThreadId.ID_SHIFT | 1, "the root task: everybody's pager"


class ProgramMemory(Word):
    """The address space of a program, besides its segments"""

    HEAP_BASE = 0x8000_0000, "what ROOT_MEMORY gives begins here"
    ARGUMENTS = int(Memory.USER_LIMIT), "a page with the argument string"


class Line(Word):
    """Printing"""

    PRINT_MAX = 128, "characters of a line; a longer one is cut into pieces"


LOCAL = Layout(
    "LOCAL", "What the library keeps for each thread, at the top of its stack; UTCB_HANDLE points to it",
    u32("length", "characters of the line that is being printed"),
    gap("line", int(Line.PRINT_MAX), "that line"),
)

class Watchdog(Word):
    """The watchdog"""

    WATCH_TURN = 2, "a scheduler that has dispatched nobody may have the processor for a tick divided by this"
    WATCH_SHARE = 8, "one that thinks about a dispatch, for a tick divided by this"


WATCH = Layout(
    "WATCH", "What a scheduler lets the watchdog see of it",
    u32("dispatches", "counted up with each thread that it dispatches"),
    u32("since", "since when it has been thinking whom to dispatch, the low half of RDTSC with bit 0 set; 0: it has "
        "dispatched somebody, or waits"),
)

CLIENT = Layout(
    "CLIENT", "Root task: a thread that it knows, at its number's place in a table",
    u32("id", "its identifier, 0 for none"),
    u32("last", "the last identifier of this number: the next one has another version"),
    u32("program", "its PROGRAM; 0: the root task's own"),
    u32("scheduler", "identifier of its scheduler"),
    group("the answer that it waits for"),
    u32("tag", "MR0"),
    u32("mr1", "MR1"),
    u32("mr2", "MR2"),
    group("the queue that it stands in: a ring"),
    u32("queue", "where the queue begins, or 0"),
    u32("next", "the next one"),
    u32("prev", "the one before"),
    group("scheduling"),
    u32("priority", "0 to PRIORITY_MAX"),
    u32("wake", "while it sleeps: the tick that wakes it"),
    u32("watch", "where the watchdog finds its WATCH, or 0"),
    u32("count", "WATCH_DISPATCHES when it was last given the processor"),
    u32("since", "WATCH_SINCE then"),
)

PROGRAM = Layout(
    "PROGRAM", "Root task: a program",
    u32("module", "its MODULE"),
    u32("leases", "the first LEASE of its frames, or 0"),
    u32("heap_end", "first address above its heap"),
    u32("member", "identifier of one of its threads, 0 when it has ended"),
    u32("threads", "how many it has"),
)

LEASE = Layout(
    "LEASE", "Root task: a frame of memory, at its place in a table",
    u32("next", "the next LEASE of the same program, or the next free one; 0 for the last"),
    u32("page", "address of the page in the program"),
)


DEVICE = Layout(
    "DEVICE", "Root task: a device that a program has; all 0: none",
    u32("program", "whose: a PROGRAM"),
    u32("function", "its PCI function, as PCI_ADDRESS has it"),
    u32("registers", "where the root task has its registers"),
    u32("page", "and where the program has them"),
    u32("bytes", "how long they are"),
    u32("line", "its interrupt line"),
    u32("handled", "1: a thread of the program handles that line"),
)


class DeviceCount(Word):
    """Devices"""

    DEVICE_COUNT = 8, "devices that programs can have at once"


TIMED = Layout(
    "TIMED", "Library: an IPC with a timeout, for the timeout server of its program",
    u32("owner", "identifier of the thread that it is, 0: this one is free"),
    u32("deadline", "tick at which it ends, 0: not yet, or no more"),
    u32("token", "its UTCB_TOKEN"),
)


class Timed(Word):
    """The timeout server"""

    TIMED_COUNT = 16, "IPCs with a timeout that a program can be in at once; more wait for their turn"


class Priority(Word):
    """Priorities of the fixed-priority scheduler"""

    PRIORITY_MAX = 31, "the highest; 0 is the lowest"
    PRIORITY_DEFAULT = 16, "of a program whose arguments do not begin with a number"


NETCALL = Layout(
    "NETCALL", "Library: a socket call of a thread, for the driver of its program",
    u32("owner", "identifier of the thread, 0: this one is free"),
    u32("number", "SYS_SOCKET_ number"),
    u32("first", "arguments: EBX,"),
    u32("second", "ESI"),
    u32("third", "EDI"),
    group("the driver's"),
    u32("state", "NETCALL_NEW and following"),
    u32("socket", "NETCALL_WAITS: the SOCKET that it waits for, 0: any"),
    gap("none", 4, "nothing"),
)


class NetCall(Word):
    """NETCALL_STATE"""

    NETCALL_NEW = 0, "it has not been made, or has its answer"
    NETCALL_WAITS = 1, "it has been made, and waits"
    NETCALL_DUE = 2, "it is to be made again"


class NetCallCount(Word):
    """The driver"""

    NETCALL_COUNT = 64, "threads of a program that can be in a call at once; for others it fails with ERR_FULL"
