"""Virtual machines on the microkernel: what the resource monitor and the guest operating system in them agree on.

The environment of J. Stoess, Towards Effective User-Controlled Scheduling for Microkernel-Based Systems (2007), section
4.2 and figure 5, with a small guest operating system in place of Linux. Neither kernel knows anything of this.
"""

from __future__ import annotations

from guest.abi.fair import FAIR
from guest.abi.layout import Layout, gap, group, u32
from guest.abi.memory import Memory
from guest.abi.words import Word


class VmMemory(Word):
    """The address space of a virtual machine: main's and monitor's"""

    VM_BASE = 0x1000_0000, "its memory, in one piece; the first page holds its VMINFO"
    VM_IMAGE = 0x1000_1000, "where the guest operating system is linked"
    VM_CARD = 0x6000_0000, "registers of the network card, if it has that"
    VM_CARD_BYTES = 128 << 10, "how many (317453, 4.1: base address register 0)"


class VmUserMemory(Word):
    """The address space of a program in a virtual machine, besides its segments"""

    VM_STACK_BASE = int(Memory.USER_LIMIT), "lowest address of its stack"
    VM_STACK_TOP = int(Memory.USER_LIMIT) + 0x4000, "first address above it"
    VM_TRAMPOLINE = int(Memory.USER_LIMIT) + 0x8000, "a page of the guest operating system's, where the program begins"


class VmRequest(Word):
    """What main asks of the resource monitor: a call with this label"""

    VM_IDLE = 1, ("MR1 = lines that may fire again: there is nothing to do; the answer comes when VMINFO_PENDING is "
                  "not 0")
    VM_DONE = 2, "MR1 = lines that may fire again; an answer at once"
    VM_THREAD = 3, ("MR1 = slot from VM_PROGRAM_SLOT on: a thread in a space of its own, main being its scheduler and "
                    "pager; MR1 = its identifier, or 0")
    VM_THREAD_END = 4, "MR1 = slot: ends that thread; MR1 = 1, or 0"
    VM_EXIT = 5, "MR1 = exit code: the virtual machine has ended; no answer"
    VM_PRINT = 6, ("MR1 = length, up to VM_PRINT_MAX, then the text: MR1 = how many bytes went to the console, 0 if "
                   "it has no room, or another virtual machine is amid a line")


class VmLine(Word):
    """Lines of a virtual machine: bits of VMINFO_PENDING, and of MR1"""

    VM_TICK = 1, "the timer"
    VM_NIC = 2, "the network card"


class VmInterrupt(Word):
    """`l4`: the message of monitor to main"""

    VM_INTERRUPT = 7, "label of a call: VMINFO_PENDING is not 0"


class VmNumber(Word):
    """Thread numbers: virtual machine n, from 0, has those from (n + 1) << VM_NUMBER_SHIFT on, a slot each"""

    VM_NUMBER_SHIFT = 6, "64 slots for each:"
    VM_MONITOR_SLOT = 0, "monitor,"
    VM_MAIN_SLOT = 1, "main,"
    VM_PROGRAM_SLOT = 2, "and a program in each of the others"
    VM_SLOT_LAST = 63, "the last slot"


class VmSize(Word):
    """How many there are"""

    VM_MACHINES = 8, "virtual machines, at most"
    VM_PROGRAMS = 62, "programs in each, at most"
    VM_PRINT_MAX = 16, "bytes of a VM_PRINT: what the UART takes at once"


class KipStub(Word):
    """Where in KIP_CODE a thread has not begun its IPC yet: bytes from there to the instruction that does"""

    KIP_BEFORE_SYSENTER = 3, "with SYSENTER"
    KIP_BEFORE_INT = 1, "with INT"


class VmPriority(Word):
    """`l4`: priorities (as in the L4Ka afterburner: monitor above main above its programs)"""

    VM_PRIORITY_MONITOR = 103, "monitor: as soon as there is an interrupt"
    VM_PRIORITY_MAIN = 101, "main: whenever it has something to do"
    VM_PRIORITY_PROGRAM = 100, "all programs, which take turns"


VMINFO = Layout(
    "VMINFO", "What a virtual machine is told, at VM_BASE; a table of MODULEs with addresses in its space follows",
    u32("main", "identifier of main; any other thread that begins there is monitor"),
    u32("bytes", "of its memory"),
    u32("free", "first address in it that nothing lies at yet"),
    u32("physical", "physical address of VM_BASE: its memory is in one piece there, too"),
    u32("card", "VM_CARD, or 0: it has no network card"),
    u32("number", "of the virtual machine, from 0"),
    u32("pending", "lines that have fired; main takes them"),
    u32("ticks", "that there have been: `uls` only"),
    u32("modules", "programs"),
)


class MachineState(Word):
    """MACHINE_STATE: what the resource monitor knows of a virtual machine"""

    MACHINE_NONE = 0, "there is none, or it has ended"
    MACHINE_IDLE = 1, "main waits for an interrupt"
    MACHINE_READY = 2, "it could run, and waits for the answer"
    MACHINE_RUNS = 3, "it has the processor"


MACHINE = Layout(
    "MACHINE", "Resource monitor: a virtual machine",
    u32("state", "whether it could run", MachineState),
    u32("memory", "physical address of its memory: its VMINFO"),
    u32("monitor", "identifier of monitor"),
    u32("main", "identifier of main"),
    group("the answer that gives it the processor"),
    u32("to", "who gets it"),
    u32("tag", "MR0"),
    u32("mr1", "MR1"),
    u32("mr2", "MR2"),
)


class VtStatus(Word):
    """VT_STATUS: what a program is doing"""

    VT_ENDED = 0, "it has ended, or never been"
    VT_NEW = 1, "it is about to begin"
    VT_READY = 2, "it could run, or runs"
    VT_RETRY = 3, "likewise, but first its call has to be made again"
    VT_WAITS = 4, "waits for a socket"
    VT_SLEEPS = 5, "waits for a tick"


VT = Layout(
    "VT", "Guest operating system: a program, with its one thread; it begins with its FAIR",
    gap("fair", FAIR.size, "what its processor time is accounted in"),
    u32("status", "what it is doing", VtStatus),
    u32("id", "identifier of its thread"),
    u32("next", "`l4`: the next one that is to be answered"),
    u32("socket", "VT_WAITS: for which SOCKET, or 0 for any of its own"),
    u32("wake", "VT_SLEEPS: the tick that wakes it"),
    group("memory"),
    u32("module", "its MODULE"),
    u32("base", "its first page"),
    u32("bytes", "from there to the end of the last one"),
    u32("memory", "where these are"),
    u32("stack", "where its stack is"),
    group("the answer that it waits for"),
    u32("tag", "MR0: 0, a STATE's, or that of a map item"),
    gap("state", 48, "STATE_WORDS words, or those of the map item"),
)
