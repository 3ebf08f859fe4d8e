"""What the microkernel and its programs agree on, in the words of the L4 X.2 reference manual; and its own objects.

Constants that begin with KTCB, FPAGE, L4S or ULS are the kernel's own; all others are for programs, too.
"""

from __future__ import annotations

from guest.abi.layout import Layout, gap, group, u32
from guest.abi.words import Word


class MicroVector(Word):
    """Gates of the microkernel (besides VECTOR_SYSCALL, which all its other calls use)"""

    VECTOR_IPC = 0x81, "IPC by INT"


class MicroParameter(Word):
    """Further parameters of the microkernel: an image's manifest may set them under [kernel] parameters"""

    MAX_THREADS = 1024, "thread numbers, a power of two, 64 to 8192"
    POOL_SHIFT = 3, "the kernel keeps 1 / 2^POOL_SHIFT of the free memory for itself"
    EXTENSIONS = 0, "what it does beyond its model, KIP_ACCOUNTING and following, added up"


class MicroMemory(Word):
    """Address space of the microkernel's programs: as in the picture, with these at its top"""

    UTCB_BASE = 0xBF80_0000, ("nothing can be mapped from here on; the UTCB of thread number n lies at UTCB_BASE + n * "
                              "UTCB_AREA, in its own space only")
    UTCB_LIMIT = 0xBFC0_0000, "first address above the UTCBs"
    KIP_BASE = 0xBFFF_E000, "the kernel interface page, read-only, in every space"
    KIP_CODE = 0xBFFF_E100, "in it: the routine that makes an IPC in the best way that the processor has"
    KIP_RETURN = 0xBFFF_E105, "in that: where SYSEXIT comes back to"
    ROOT_BASE = 0x4000_0000, "where the root task is linked: above all RAM, which it sees one to one"
    ROOT_DEVICES = 0xB000_0000, ("where the root task sees what is no RAM, physical addresses from DEVICE_BASE on: "
                                 "registers of devices; not cached")
    ROOT_DEVICES_END = 0xB400_0000, "first address above those"


class MicroSize(Word):
    """Sizes of the microkernel"""

    UTCB_AREA = 512, "bytes of a UTCB"
    UTCB_SHIFT = 9, "the same as a power of two"
    MR_COUNT = 64, "message registers, MR0 to MR63"
    BR_COUNT = 33, "buffer registers, BR0 to BR32"
    KTCB_TOP = 212, "where the frame in a KTCB ends: ESP0 of the running thread"
    STATE_WORDS = 12, "message registers of a message that carries a thread's state: a STATE from MR1 on"


class ThreadId(Word):
    """Thread numbers and identifiers: number << ID_SHIFT | version; the version of a user thread is not 0"""

    ID_SHIFT = 14, "bits of the version"
    ID_VERSION = 0x3FFF, "mask of the version"
    NIL_THREAD = 0, "no thread"
    ANY_THREAD = -1, "any thread, where one receives"
    IRQ_THREADS = 16, "numbers below are interrupt lines; version 1"
    IDLE_THREAD = 17, "number of the idle thread, which sends idle messages in `uls`"
    FIRST_THREAD = 32, "number of the root task's first thread; version 1"


class Tag(Word):
    """MR0, the message tag: label << 16 | flags | typed words << 6 | untyped words"""

    TAG_UNTYPED = 0x003F, "mask: words that follow the tag and are copied as they are"
    TAG_TYPED = 0x0FC0, "mask: words behind them that make up typed items"
    TAG_TYPED_SHIFT = 6, "where that field begins"
    TAG_GRANT = 0x2000, "flag of the one who calls: the partner gets the processor if both can run (see Grants)"
    TAG_ERROR = 0x8000, "flag of a result: the IPC failed, and UTCB_ERROR says why"
    TAG_FLAGS = 0xF000, "mask: all flags"
    TAG_SLOW = 0xFFC0, "mask: what keeps a message off the fast path"
    LABEL_SHIFT = 16, "where the label begins"


class Label(Word):
    """Labels of the messages that the kernel sends in the name of a thread"""

    LABEL_INTERRUPT = 0xFFF0, "from an interrupt thread: the line fired; it stays masked until somebody replies"
    LABEL_PAGE_FAULT = 0xFFE0, "to the pager, plus FAULT_ bits; MR1 = address, MR2 = EIP; the reply maps, and goes on"
    LABEL_PREEMPTION = 0xFFD0, "to the scheduler: a STATE; the reply re-grants the processor"
    LABEL_EXCEPTION = 0xFFC0, "to the exception handler: a STATE; the reply goes on"
    LABEL_IDLE = 0xFF90, "to the root scheduler, from the idle thread: no thread can run"
    FAULT_READ = 4, "the page fault was a read"
    FAULT_WRITE = 2, "it was a write"
    FAULT_EXECUTE = 1, "it was an instruction fetch"


class Preemption(Word):
    """Why a thread was preempted: STATE_VECTOR of a preemption message; STATE_ERROR is then who runs instead"""

    PREEMPTED_INTERRUPT = 0, "an interrupt woke another thread"
    PREEMPTED_CHOICE = 1, "it lost the choice in an IPC or an ExchangeRegisters, or a higher one took precedence"
    PREEMPTED_SWITCH = 2, "it called ThreadSwitch"
    PREEMPTED_BUDGET = 3, "the budget that it ran on is used up; STATE_ERROR is the lender, or whose gift it was"
    PREEMPTED_CEILING = 4, "it is less urgent than its scheduler asks for; STATE_ERROR wanted it to run"
    PREEMPTED_QUANTUM = 5, "its total quantum is used up: the only one in `l4`, when its turn to run comes"


class Timeout(Word):
    """Timeouts of an IPC, in ECX: send << 16 | receive, each 16 bits as in the X.2 manual: exponent << 10 | mantissa"""

    TIMEOUT_NEVER = 0, "wait for ever"
    TIMEOUT_ZERO = 0x0400, "do not wait"
    TIMEOUT_EXPONENT_SHIFT = 10, "mantissa << exponent is the time in us; only `l4` has such"
    TIMEOUT_MANTISSA = 0x03FF, "mask of the mantissa"
    TIMEOUT_POINT = 0x8000, "a point in time instead: not offered"
    TIMEOUT_RECEIVE = 0xFFFF, "mask: the receive timeout in ECX"
    TIMEOUT_SEND_SHIFT = 16, "where the send timeout begins"


class IpcError(Word):
    """UTCB_ERROR after an IPC: code << 1 | phase (X.2 manual, IPC)"""

    IPC_RECEIVE_PHASE = 1, "the receive phase failed; else the send phase"
    IPC_TIMEOUT = 1 << 1, "nobody was there in time"
    IPC_NO_PARTNER = 2 << 1, "the partner does not exist, or went away"
    IPC_CANCELED = 3 << 1, "ExchangeRegisters cancelled it before the transfer"
    IPC_OVERFLOW = 4 << 1, ("the message does not fit: no buffer, a short one, a string from or to what is no user "
                            "memory (a device's registers are not), or no memory")
    IPC_FAULT_MINE = 5 << 1, "in mid-transfer: a page of mine did not come (no pager, or it went away)"
    IPC_FAULT_PARTNER = 6 << 1, "in mid-transfer: a page of the partner's did not come"
    IPC_ABORTED = 7 << 1, "in mid-transfer: the partner went away, or ExchangeRegisters ended it"


class Item(Word):
    """Typed items and buffers: two words each. In the first, the low four bits say which"""

    ITEM_MORE = 1, "another item or buffer follows"
    ITEM_KIND = 0x0E, "mask: the kind"
    ITEM_STRING = 0x00, "string: length << ITEM_SHIFT, then its address; also a buffer in BR1, BR2 ..."
    ITEM_MAP = 0x08, "map item: send base (its low ten bits are not of the base), then a flexpage"
    ITEM_GRANT = 0x0A, "grant item: likewise, and the sender loses the pages"
    ITEM_BASE = 0xFFFF_FC00, "mask: the send base, or a string's length << ITEM_SHIFT"


class ItemShift(Word):
    """The length in a string item or buffer"""

    ITEM_SHIFT = 10, "where its 22 bits begin"


class Flexpage(Word):
    """Flexpages: base address | log2 of the size << FPAGE_SHIFT | rights. BR0, the acceptor, is one, too"""

    FPAGE_BASE = 0xFFFF_FC00, "mask: the base address"
    FPAGE_SIZE = 0x03F0, "mask: log2 of the size, 12 to 31; 1: the whole space (then the base is 0)"
    FPAGE_NIL = 0, "no page"
    FPAGE_COMPLETE = 0x10, "the whole space"


class FlexpageShift(Word):
    """The size in a flexpage"""

    FPAGE_SHIFT = 4, "where its six bits begin"


class Right(Word):
    """Rights in a flexpage"""

    FPAGE_READ = 4, "may be read"
    FPAGE_WRITE = 2, "may be written"
    FPAGE_EXECUTE = 1, "may be executed: on this processor the same as read"
    FPAGE_RIGHTS = 7, "mask: all three"


class Acceptor(Word):
    """BR0, the acceptor: the flexpage to which maps may go, its low bits being these"""

    ACCEPT_STRINGS = 1, "strings are taken; buffers begin in BR1"


class MicroCall(Word):
    """Calls by INT 80h: number in EAX, arguments in EBX, ECX, EDX, ESI, EDI; other registers are kept"""

    L4_EXCHANGE_REGISTERS = 0, ("EBX thread of the same space, ECX control, EDX SP, ESI IP, EDI flags: EAX = thread "
                                "or 0; ECX = EXREG_WAS_ bits, EDX, ESI, EDI = what was there before")
    L4_THREAD_CONTROL = 1, ("EBX thread, ECX thread whose space it is in or NIL to end it, EDX scheduler or NIL, ESI "
                            "pager or NIL: EAX = 1, or 0; root task only")
    L4_THREAD_SWITCH = 2, "EBX thread or NIL: `l4` gives it the rest of the slice; `uls` preempts the caller"
    L4_SCHEDULE = 3, ("EBX thread, ECX slice and EDX quantum in ticks, ESI priority, -1 for each that stays: EAX = "
                      "SCHEDULE_ state or 0, ECX and EDX = what was left of both, -1 for no end; `l4` only, its "
                      "scheduler only; slice or quantum 0 is one without an end, a new slice begins at once")
    L4_UNMAP = 4, "EBX = UNMAP_ bits | flexpages - 1, which stand from MR0 on: their rights are taken away"
    L4_CLOCK = 5, "EDX:EAX = us since the start, to the tick; `l4` only"
    KDB_WRITE = 6, "EBX first byte, ECX length, to the console: EAX = how many it takes now, or 0; or -1: not yours"
    KDB_EXIT = 7, "EBX exit code of the machine: does not return; root task only"
    L4_PCI_READ = 8, ("EBX = register of a PCI function, PCI_ENABLE | bus << 16 | device << 11 | function << 8 | "
                      "offset: EAX = 1, ECX = what is in it, or EAX = 0; root task only")
    L4_PCI_WRITE = 9, "EBX likewise, ECX = what goes into it: EAX = 1, or 0; root task only"


class MicroCallCount(Word):
    """How many there are"""

    MICRO_CALLS = len(MicroCall), "a number from here on is answered with 0 and CALL_PARAMETER"


class CallError(Word):
    """UTCB_ERROR after another call that returned 0 (X.2 manual, ThreadControl)"""

    CALL_PRIVILEGE = 1, "the caller may not do that"
    CALL_THREAD = 2, "no such thread, or not one for this"
    CALL_SPACE = 3, "no such space"
    CALL_SCHEDULER = 4, "no such scheduler, or it would be its own"
    CALL_PARAMETER = 5, "a parameter makes no sense"
    CALL_MEMORY = 8, "the kernel's memory is used up"


class Exreg(Word):
    """Control of ExchangeRegisters"""

    EXREG_HALT = 1 << 0, "if EXREG_SET_HALT: the thread stops; else it goes on"
    EXREG_CANCEL_RECEIVE = 1 << 1, "a receive that it waits in, or is in the middle of, ends with an error"
    EXREG_CANCEL_SEND = 1 << 2, "likewise a send"
    EXREG_SP = 1 << 3, "EDX becomes its ESP"
    EXREG_IP = 1 << 4, "ESI becomes its EIP"
    EXREG_FLAGS = 1 << 5, "EDI becomes its EFLAGS, as far as a program may set them"
    EXREG_SET_HALT = 1 << 8, "EXREG_HALT is to be looked at"
    EXREG_GRANT = 1 << 10, "if it can run now: it gets the processor, and the caller does not keep it"
    EXREG_TOKEN = 1 << 11, "cancel only if its UTCB_TOKEN is still EDX, which then is no SP: no race with its next IPC"


class ExregResult(Word):
    """What ExchangeRegisters says of the thread, as it was before"""

    EXREG_WAS_HALTED = 1 << 0, "it had been stopped"
    EXREG_WAS_RECEIVING = 1 << 1, "it was in a receive"
    EXREG_WAS_SENDING = 1 << 2, "it was in a send"


class UnmapControl(Word):
    """Control of Unmap"""

    UNMAP_COUNT = 0x3F, "mask: flexpages - 1"
    UNMAP_FLUSH = 0x40, "from the caller's own space, too, not only from those that have them from it"


class ScheduleState(Word):
    """What Schedule says of a thread"""

    SCHEDULE_DEAD = 1, "it has no pager yet"
    SCHEDULE_HALTED = 2, "stopped"
    SCHEDULE_RUNNING = 3, "it can run"
    SCHEDULE_SENDING = 4, "waits to send"
    SCHEDULE_RECEIVING = 5, "waits to receive"


class ScheduleStart(Word):
    """Priorities and slices, where no Schedule has said anything"""

    PRIORITY_TOP = 255, "the highest priority: the root task's first thread has it"
    PRIORITY_NEW = 100, "of other new threads, or their scheduler's if that is lower"
    SLICE_US = 10_000, "time slice of a new thread, in us; its quantum has no end"


class Kind(Word):
    """What a thread's current message is (KTCB_KIND)"""

    KIND_USER = 0, "the program's own IPC"
    KIND_PAGE_FAULT = 1, "a page fault to its pager"
    KIND_EXCEPTION = 2, "an exception to its handler"
    KIND_PREEMPTION = 3, "a preemption to its scheduler"
    KIND_INTERRUPT = 4, "an interrupt thread's"
    KIND_START = 5, "none: it waits for its pager to start it with MR1 = EIP, MR2 = ESP"
    KIND_IDLE = 6, "the idle thread's"


class Part(Word):
    """A thread's part in a transfer that takes longer (KTCB_TRANSFER)"""

    PART_NONE = 0, "none"
    PART_SENDER = 1, "it sends"
    PART_RECEIVER = 2, "it receives"


class MicroState(Word):
    """States of a thread of the microkernel (KTCB_STATE)"""

    IS_DEAD = 0, "its control block is free, or it has no pager yet"
    IS_RUNNING = 1, "it can run; in `uls` that is the current thread alone"
    IS_SENDING = 2, "stands in KTCB_SENDERS of KTCB_PARTNER"
    IS_RECEIVING = 3, "waits for KTCB_WAIT, or with a KTCB_KIND of the kernel for KTCB_KWAIT"
    IS_TRANSFER = 4, "in the middle of a transfer with KTCB_PEER, at which the other one is at work"
    IS_HALTED = 5, "stopped by ExchangeRegisters, or because nobody takes its message"


class KipFeature(Word):
    """Features of the kernel: KIP_FEATURES, and EAX when a program starts"""

    KIP_SYSENTER = 1, "KIP_CODE uses SYSENTER"
    KIP_ULS = 2, "user-level scheduling: this is `uls`"
    KIP_ACCOUNTING = 4, "the kernel counts the cycles of each thread"
    KIP_BUDGET = 8, "calls may carry a budget: `uls` only"
    KIP_CEILING = 16, "ceilings hold: `uls` only"
    KIP_BACKLOG = 32, "UTCB_BACKLOG counts"


UTCB = Layout(
    "UTCB", "User-level thread control block: the program may write what it likes, the kernel believes none of it",
    u32("id", "the thread's own identifier; written by the kernel when it is made"),
    u32("pager", "who gets its page faults"),
    u32("handler", "who gets its exceptions, or NIL_THREAD"),
    u32("error", "why the last call failed: IPC_ or CALL_ code"),
    u32("handle", "the program's own word"),
    u32("backlog", "threads that wait to send to this one, if KIP_BACKLOG"),
    u32("token", "what EXREG_TOKEN is compared with"),
    u32("budget", "if KIP_BUDGET: cycles that a call lends, or a reply to a preemption gives, 0 for no limit"),
    u32("ceiling", "of a scheduler, if KIP_CEILING: none of its threads gets the processor by IPC if less urgent"),
    gap("reserved", 28, "0"),
    u32("mr0", "message registers: MR0, the tag, travels in ESI,"),
    u32("mr1", "MR1 in EBX,"),
    u32("mr2", "MR2 in EDI; their places here are the caller's to use and the kernel's to overwrite"),
    gap("mr3", 4 * 61, "MR3 to MR63"),
    u32("br0", "buffer registers: BR0, the acceptor"),
    gap("br1", 4 * 32, "BR1 to BR32: buffers for strings"),
)

KIP = Layout(
    "KIP", "Kernel interface page",
    u32("signature", "KIP_MAGIC"),
    u32("features", "KIP_ bits"),
    u32("utcb", "address of the running thread's UTCB"),
    u32("threads", "how many thread numbers there are"),
    u32("memory", "first physical address of the memory for programs, which the root task sees one to one"),
    u32("memory_end", "first address above it"),
    u32("modules", "physical address of the list of Multiboot modules; the first is the root task"),
    u32("modules_count", "how many"),
    u32("boot_end", "first physical address above what the boot loader left, which the root task may read"),
    u32("tick_us", "microseconds of a tick"),
    u32("cycles_per_us", "cycles of RDTSC a microsecond, or 0 if the kernel does not know"),
    u32("clock_low", "us since the start, to the tick: `l4` only"),
    u32("clock_high", "upper half"),
)


class KipValue(Word):
    """The kernel interface page"""

    KIP_MAGIC = 0x5041_5254, "'TRAP'"


STATE = Layout(
    "STATE", "A thread's state in a message, from MR1 on (the X.2 manual's order of IA-32 exception messages)",
    u32("eip", "where it goes on"),
    u32("eflags", "flags"),
    u32("vector", "of an exception the vector, of a preemption a PREEMPTED_ reason"),
    u32("error", "of an exception the error code, of a preemption who runs instead"),
    u32("edi", "register"), u32("esi", "register"), u32("ebp", "register"), u32("esp", "stack pointer"),
    u32("ebx", "register"), u32("edx", "register"), u32("ecx", "register"), u32("eax", "register"),
    u32("more", "of a reply to a preemption, if KIP_CEILING: the thread's urgency from now on"),
)

KTCB = Layout(
    "KTCB", "Kernel thread control block: all that the kernel knows of a thread; KTCB_TOP is ESP0 while it runs",
    u32("kind", "what its message is", Kind),
    u32("resume", "where the kernel goes on with it when it gets the processor: resume_user, or amid an IPC"),
    u32("halted", "1: ExchangeRegisters has stopped it; it becomes IS_HALTED when it would get the processor"),
    u32("kwait", "whose reply to a message of the kernel it waits for, or a user receive that is off the fast path"),
    u32("next", "next in the ring of a queue, of senders or of the policy"),
    u32("prev", "the one before it there"),
    u32("partner", "while it sends: KTCB of the receiver"),
    u32("peer", "in a transfer: KTCB of the other one"),
    u32("grant", "TAG_GRANT if it wants its partner to have the processor behind its IPC"),
    u32("scheduler", "KTCB of its scheduler, or 0: the root scheduler's, and that of one whose scheduler went away"),
    u32("reason", "why it was preempted", Preemption),
    u32("preempter", "identifier of who ran instead"),
    u32("fault_address", "address of its page fault"),
    u32("fault_label", "label of that page-fault message"),
    u32("transfer", "its part in a transfer that takes longer", Part),
    u32("item", "in a transfer, of the sender: the message register of the next typed item"),
    u32("offset", "in a transfer, of the sender: bytes of that string that are done"),
    u32("buffer", "in a transfer, of the receiver: the buffer register of the next string"),
    u32("used_low", "if KIP_ACCOUNTING: cycles that it has used on its own grant"),
    u32("used_high", "upper half"),
    u32("donated_low", "likewise cycles that it has used on the grant of another thread, which waits for it"),
    u32("donated_high", "upper half"),
    u32("borrower", "if KIP_BUDGET: KTCB of the one that it has called and lends the processor, or 0"),
    u32("backlog", "if KIP_BACKLOG: threads that wait to send to it"),
    group("the scheduling policy's own: an L4S or a ULS"),
    gap("policy", 56, "see there"),
    group("the frame: PUSHAD's, the stub's, the processor's; KTCB_TOP is behind it"),
    u32("edi", "MR2 of an IPC"),
    u32("esi", "MR0"),
    u32("ebp", "register"),
    u32("pushad_esp", "what PUSHAD stores and POPAD skips"),
    u32("ebx", "MR1"),
    u32("edx", "in: from whom to receive"),
    u32("ecx", "in: timeouts"),
    u32("eax", "in: to whom to send; out: from whom it came"),
    u32("vector", "of the exception or interrupt"),
    u32("error", "its error code"),
    u32("eip", "where the program goes on: KIP_RETURN if it came by SYSENTER"),
    u32("cs", "SEL_UCODE"),
    u32("eflags", "flags"),
    u32("esp", "stack pointer"),
    u32("ss", "SEL_UDATA"),
    group("what the fast path touches besides"),
    u32("id", "its identifier; 0 in a control block that is free"),
    u32("state", "what it is doing", MicroState),
    u32("wait", "from whom it receives: an identifier, ANY_THREAD, or 0 if it does not, or off the fast path"),
    u32("space", "physical address of its page directory, for CR3"),
    u32("utcb", "address of its UTCB in the window"),
    u32("utcb_user", "address of its UTCB in its own space"),
    u32("senders", "the first of the ring of threads that wait to send to it, or 0"),
    u32("scratch", "ECX, while the fast path has not made up its mind"),
    u32("donor", "if KIP_BUDGET: KTCB of the caller on whose loan it runs, or 0"),
    u32("budget", "cycles left of that loan or its scheduler's gift: 0 for no limit, 1 if they are used up"),
    u32("urgency", "if KIP_CEILING: as its scheduler said last"),
)

L4S = Layout(
    "L4S", "`l4`: what its scheduler knows of a thread, in KTCB_POLICY",
    u32("priority", "0 to PRIORITY_TOP; of the idle thread -1"),
    u32("slice", "ticks of a time slice, 0 for no end"),
    u32("left", "ticks left of the current one; means nothing if it has no end"),
    u32("quantum", "ticks left of its total quantum, -1 for no end"),
    u32("ready", "1 while it stands in a ready queue"),
    u32("wake", "when its timeout ends, in us since the start, lower half"),
    u32("wake_next", "ring of timeouts: next"),
    u32("wake_prev", "the one before"),
    u32("pending", "1 while it stands in that ring"),
    u32("wake_high", "when its timeout ends, upper half"),
)

ULS = Layout(
    "ULS", "`uls`: what the kernel knows of a thread's place in the hierarchy, in KTCB_POLICY",
    u32("level", "schedulers above it: 0 for the root scheduler"),
)
