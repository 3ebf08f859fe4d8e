"""What the `activations` kernel and its programs agree on, beyond the first kernel's ABI; and its own objects.

Constants that begin with ACT, AREAS, PROCESS, PIPE, LINK, VP or WORK are the kernel's own; all others are for programs,
too.
"""

from __future__ import annotations

from guest.abi.cpu import FRAME
from guest.abi.kernel import TCB, Syscall
from guest.abi.layout import Layout, gap, u32
from guest.abi.words import Word


class ActCall(Word):
    """Further system calls: as those of the first kernel; EBX, ESI and EDI are arguments, results in EAX"""

    SYS_PROCESS = 6, "process(): the number of the calling process, from 1 in the order of their start"
    SYS_MEMORY = 7, ("memory(EBX = pages): address of that many new pages of zeros, one after the other; ERR_MEMORY, "
                     "ERR_ARGUMENT for none")
    SYS_THREAD_CREATE = 8, ("create(EBX = entry, ESI = stack pointer, EDI = its EAX): number of a new thread of the "
                            "process; all its other registers are zero; ERR_MEMORY")
    SYS_THREAD_EXIT = 9, "exit(EBX = value): ends the thread; if it is the last, the process, with exit code 0"
    SYS_THREAD_JOIN = 10, ("join(EBX = number): waits for the thread's end; 0, and its value in EBX; ERR_THREAD, "
                           "ERR_INTERRUPTED, ERR_MEMORY")
    SYS_PIPE = 11, "pipe(): number of a new pipe of the process; ERR_MEMORY"
    SYS_READ = 12, ("read(EBX = pipe or CONSOLE_INPUT, ESI = buffer, EDI = length): waits until there is something; "
                    "bytes read, at most PIPE_BYTES, 0 only for length 0; ERR_PIPE, ERR_ADDRESS, ERR_INTERRUPTED, "
                    "ERR_MEMORY")
    SYS_WRITE_PIPE = 13, ("write(EBX = pipe, ESI = buffer, EDI = length): waits while there is no room at all; bytes "
                          "written; errors as SYS_READ")
    SYS_SIGNAL_ACTION = 14, ("action(EBX = signal, ESI = handler or 0, EDI = trampoline): the process handles the "
                             "signal from now on, or drops it; 0; ERR_ARGUMENT")
    SYS_SIGNAL_RETURN = 15, ("the end of a handler, ESP = its SIGNAL: what it interrupted goes on, with the registers "
                             "that stand there; a SIGNAL that cannot be read is the program's page fault")
    SYS_SIGNAL_SEND = 16, "send(EBX = thread of this process, ESI = signal): 0; ERR_THREAD, ERR_ARGUMENT"
    SYS_SIGNAL_TIMER = 17, "timer(EBX = ticks): SIGALRM to the process every so many ticks, 0: no more; 0"
    SYS_SIGNAL_INPUT = 18, ("input(EBX = pipe or CONSOLE_INPUT, ESI = 1 or 0): SIGIO to the process whenever bytes "
                            "arrive there, or no more; 0; ERR_PIPE, ERR_ARGUMENT")
    SYS_SA_INIT = 19, ("init(EBX = SA_INIT): the calling thread becomes the activation of virtual processor 0; once in "
                       "a process; 0; ERR_ADDRESS, ERR_ARGUMENT, ERR_MEMORY, ERR_ACTIVATION if it had been done")
    SYS_SA_REVOKE = 20, ("revoke(): gives the virtual processor back until it is requested or an activation of it "
                         "unblocks; 0; ERR_ACTIVATION")
    SYS_SA_REQUEST = 21, ("request(EBX = virtual processor): it is wanted (again); 0, also if it is not revoked; "
                          "ERR_ARGUMENT, ERR_MEMORY, ERR_ACTIVATION")
    SYS_SA_CONTROL = 22, "control(EBX = SA_ operation, ESI = activation); ERR_ACTIVATION, ERR_ARGUMENT"
    SYS_SA_RESTORE = 23, ("restore(EBX = REGS): the caller goes on with these registers, which the original model "
                          "handed out, and the lock of its virtual processor is free; ERR_ADDRESS")
    SYS_SA_TIMER = 24, ("timer(EBX = cycles): a timer upcall at the first tick after the virtual processor has run so "
                        "many cycles since the last upcall or restart; 0: none; 0; ERR_ACTIVATION, ERR_ARGUMENT if it "
                        "has no entry for it")


class ActCallCount(Word):
    """How many there are, with the first kernel's"""

    ACT_CALLS = len(Syscall) + len(ActCall), "a number from here on is answered with ERR_CALL"


class ActError(Word):
    """Further errors that system calls return in EAX"""

    ERR_MEMORY = -3, "out of memory; instead of waiting, where the wait would need a new activation"
    ERR_THREAD = -4, "no such thread in this process; or oneself, or one that another thread joins already"
    ERR_PIPE = -5, "no such pipe in this process"
    ERR_INTERRUPTED = -6, "a signal's handler ran instead; nothing was read or written: call again"
    ERR_ARGUMENT = -7, "a number that makes no sense there"
    ERR_ACTIVATION = -8, "no such activation, not one that is unblocked, or no activations at all: nothing changed"


class ActInput(Word):
    """What SYS_READ and SYS_SIGNAL_INPUT take for a pipe; pipes have numbers from 1"""

    CONSOLE_INPUT = 0, "the UART's receiver"


class ThreadNumber(Word):
    """Numbers of threads, which are the ids of activations: small, and with a generation"""

    NUMBER_INDEX = 0x3_FFFF, "mask: the index, from 1; among the threads that live no two have the same"
    NUMBER_NEXT = 0x4_0000, "what the next thread with the same index has more, modulo 2^31"


class ThreadStore(Word):
    """What the kernel keeps of threads: a table of their numbers, and areas for new ones"""

    NUMBER_ENTRIES = 512, "entries in a frame of the table, a power of two"
    NUMBER_SHIFT = 9, "the same as a power of two"
    AREAS_KEPT = 64, "areas of threads that have ended which are kept for new ones, at most"


class Signal(Word):
    """Signals, 1 to SIGNAL_MAX, with the numbers of Linux; these the kernel sends or leaves to programs"""

    SIGUSR1 = 10, "the program's"
    SIGUSR2 = 12, "the program's"
    SIGALRM = 14, "SYS_SIGNAL_TIMER"
    SIGIO = 29, "SYS_SIGNAL_INPUT"
    SIGNAL_MAX = 31, "the last"


class SaFlag(Word):
    """SA_INIT_FLAGS"""

    SA_ORIGINAL = 1, "the original model: every event in a fresh activation, with the states of those it stopped"


class SaLimit(Word):
    """Limits of activations"""

    SA_VP_MAX = 8, "virtual processors of a process"
    SA_STACKS_MAX = 1024, "stacks for fresh activations (original model)"
    SA_EVENTS = 16, "activations whose unblocking one upcall tells of; the others come with the next"


class SaControl(Word):
    """Operations of SYS_SA_CONTROL"""

    SA_RESTART_UNBLOCKED = 1, "the calling activation ends, the unblocked activation ESI goes on in its place"
    SA_DELIVER = 2, "0; a delayed upcall comes with the return, as with that of any other call"


class UpcallKind(Word):
    """UPCALL_KIND, and the entry that is called"""

    UPCALL_START = 1, "block entry: a virtual processor begins, in a new activation"
    UPCALL_NEW = 2, "block entry: UPCALL_BLOCKED has blocked, the current activation is new"
    UPCALL_RESTARTED = 3, "block entry: UPCALL_BLOCKED has blocked, the current activation is one that was unblocked"
    UPCALL_UNBLOCK = 4, "unblock entry: those listed are unblocked; the current one among them runs already"
    UPCALL_TIMER = 5, "timer entry: the budget of SYS_SA_TIMER is used up"
    UPCALL_SECOND = 0x100, "added: the lock is held, too long or by what has blocked; second entry, on the second stack"


class StateEvent(Word):
    """SA_STATE_EVENT: why a state is handed out (original model)"""

    STOPPED_PREEMPTED = 1, "it ran, and the processor was needed for the upcall"
    STOPPED_UNBLOCKED = 2, "it was blocked and can go on; the result of its call stands in its registers"


class ActState(Word):
    """States of a thread, beyond the first kernel's"""

    THREAD_WAITING = 4, "in a wait queue"
    THREAD_UNBLOCKED = 5, "an activation that could go on; its program decides"
    THREAD_ENDED = 6, "has ended and waits for a join"


class Work(Word):
    """ACT_WORK: what a thread has to do before it goes back to its program"""

    WORK_SIGNAL = 1, "a signal that it does not mask is pending"
    WORK_UPCALL = 2, "its virtual processor may have an upcall to make"
    WORK_END = 4, "its process ends"


class Receiver(Word):
    """16550A: receiving, beyond what the first kernel needs"""

    IER_ERBFI = 1, "interrupt when something has been received"
    IRQ_COM1 = 4, "the interrupt line of COM1"


class ReceiverStatus(Word):
    """16550A: line status, likewise"""

    LSR_DR = 1, "something has been received"


class ActSize(Word):
    """Sizes"""

    PIPE_BYTES = 2048, "what a pipe holds at most, a power of two; the console's input, too: what comes then is lost"
    SA_PLACE = 1024, "where in its frame PROCESS_SA begins: threads begin at 0 of theirs; caches hold few such lines"
    PIPE_MAX = 64, "pipes of a process at most; ERR_MEMORY beyond"


REGS = Layout(
    "REGS", "All registers of a program: two that the kernel never uses, then a trap frame",
    u32("gs", "segment register: a user data segment or null, else null is loaded"),
    u32("fs", "likewise"),
    *FRAME.fields,
)

SIGNAL = Layout(
    "SIGNAL", "A signal handler's frame: ESP at its entry, where its RET goes to the trampoline; when the trampoline "
    "calls SYS_SIGNAL_RETURN, ESP is SIGNAL_NUMBER's address",
    u32("return", "the trampoline"),
    u32("number", "the signal"),
    u32("masked", "bit n: signal n was masked; from SYS_SIGNAL_RETURN on it is what stands here"),
    gap("regs", REGS.size, "REGS of what was interrupted, exactly; from SYS_SIGNAL_RETURN on what stands here, as far "
        "as a program may have it"),
)

SA_INIT = Layout(
    "SA_INIT", "What SYS_SA_INIT reads",
    u32("flags", "0 or SA_ORIGINAL", SaFlag),
    u32("count", "how many virtual processors, 1 to SA_VP_MAX; 0 belongs to the caller, the others begin by request"),
    u32("vps", "address of that many SA_VP"),
    u32("block", "entries of upcalls: block,"),
    u32("unblock", "unblock,"),
    u32("timer", "timer, or 0 if there are no timer upcalls,"),
    u32("second", "and on the second stack, or 0 if there are none: this one must not rely on what the lock protects"),
    u32("bound", "cycles that an event waits for the lock before it goes to the second stack"),
    u32("stacks", "original model: address of an array of SA_STACK, where fresh activations begin"),
    u32("stack_count", "how many"),
)

SA_VP = Layout(
    "SA_VP", "A virtual processor, in writable memory of the program, where the kernel reads and writes at any time",
    u32("lock", "0: upcalls may come. The kernel sets it to 1 before each, the program clears it"),
    u32("pending", "the kernel sets it to 1 when it delays an upcall because of the lock, or in the original model as "
        "there is no stack for it; the program clears it"),
    u32("stack", "top of the stack on which new activations begin: read whenever one does"),
    u32("second", "top of the second stack, 0 while it is in use: the kernel clears it when an upcall begins there, "
        "the program writes it again"),
)

SA_STACK = Layout(
    "SA_STACK", "Original model: a stack for a fresh activation",
    u32("busy", "0: free. The kernel sets it to 1 when an activation begins on it, the program clears it"),
    u32("top", "its top"),
)

UPCALL = Layout(
    "UPCALL", "What an upcall finds at ESP. All general registers and flags are the interrupted code's; those of a new "
    "activation are zero",
    u32("vp", "the virtual processor, from 0"),
    u32("current", "the activation that runs it now"),
    u32("kind", "why", UpcallKind),
    u32("esp", "the address, directly below the previous stack pointer, of a word that holds the previous EIP: to load "
        "it and RET goes back; 0 in a new activation, which has nothing to go back to"),
    u32("blocked", "the activation that has blocked, or 0"),
    u32("count", "how many activations have unblocked; their ids follow, or in the original model that many SA_STATE"),
)

SA_STATE = Layout(
    "SA_STATE", "Original model: the state of an activation that is gone",
    u32("activation", "its id"),
    u32("event", "why", StateEvent),
    gap("regs", REGS.size, "REGS: to go on with it, SYS_SA_RESTORE"),
)

NUMBER = Layout(
    "NUMBER", "An entry of the table of thread numbers",
    u32("thread", "TCB of the thread with this index, or 0"),
    u32("free", "without a thread: the number that the index's next one gets, with the index of the next free entry in "
        "place of its own"),
)

LINK = Layout(
    "LINK", "A place in a ring, or its head; a head that links to itself is an empty ring",
    u32("next", "the LINK behind"),
    u32("prev", "the LINK before"),
)

ACT = Layout(
    "ACT", "Control block of a thread, which is an activation if it has a virtual processor: a TCB with more",
    gap("tcb", TCB.size, "a TCB"),
    u32("process", "its PROCESS; 0: the idle thread"),
    u32("work", "WORK_ bits; 0: nothing is to be done on the way back to the program"),
    gap("link", LINK.size, "its place in the ring that it waits in, or among the unblocked of its virtual processor"),
    gap("sibling", LINK.size, "its place among the threads of its process, PROCESS_THREADS or PROCESS_ENDED"),
    gap("joiners", LINK.size, "ring of threads that wait for its end: at most one"),
    u32("result", "how its wait has ended: 0, or an error"),
    u32("value", "when it has ended: what SYS_THREAD_JOIN gives"),
    u32("signals", "bit n: signal n is pending for this thread"),
    u32("masked", "bit n: signal n is masked"),
    u32("vp", "its VP, or 0: a kernel thread like any other"),
    u32("known", "while it waits, if its program was told that it has blocked: not 0: and that it has unblocked"),
)

PROCESS = Layout(
    "PROCESS", "Process control block, in a frame of its own",
    u32("next", "the next process, or 0"),
    u32("number", "its number, from 1"),
    u32("space", "physical address of its page directory"),
    u32("module", "the Multiboot module that it runs"),
    gap("threads", LINK.size, "ring of its threads, in the order of their creation"),
    gap("ended", LINK.size, "ring of those that have ended and were not joined"),
    u32("ending", "not 0: it ends; each thread ends before it would go back to the program"),
    u32("exit_code", "what it ends with"),
    u32("heap", "the address that SYS_MEMORY gives next"),
    u32("signals", "bit n: signal n is pending for whichever thread takes it"),
    u32("timer_period", "SYS_SIGNAL_TIMER: ticks between two, 0: none"),
    u32("timer_left", "ticks until the next"),
    u32("sa", "a frame with the process's virtual processors, or 0: given back with the process"),
    gap("pipes", 4 * ActSize.PIPE_MAX, "pipe n + 1: its PIPE, or 0"),
    gap("handlers", 4 * (Signal.SIGNAL_MAX + 1), "of signal n, or 0: dropped"),
    gap("trampolines", 4 * (Signal.SIGNAL_MAX + 1), "of signal n"),
)

VP = Layout(
    "VP", "Virtual processor. PROCESS_SA is a frame with what SYS_SA_INIT has read (SA_INIT), and behind it all VPs",
    u32("number", "its number, from 0"),
    u32("user", "address of its SA_VP in the program"),
    u32("current", "the activation that runs it; 0: it has not begun, or its last activation has ended"),
    u32("holder", "the activation that waits with the lock held while `current` runs on the second stack, or 0"),
    u32("blocked", "the number of the activation of which `current` has to tell that it has blocked, or 0"),
    u32("alone", "not 0: `current` had blocked and runs again because there was no other; it has to be told"),
    gap("untold", LINK.size, "ring of the unblocked activations of which no upcall has told, oldest first"),
    gap("told", LINK.size, "ring of those of which one has told"),
    gap("woken", LINK.size, "original model: ring of those whose wait is over; they have to finish their calls first"),
    gap("finishing", LINK.size, "original model: ring with `current` while it waits for one of these, or empty"),
    gap("revoked", LINK.size, "ring with `current` if it has given the virtual processor back, or empty"),
    u32("budget", "cycles between timer upcalls, 0: none"),
    u32("spent", "cycles of it that are used up"),
    u32("since", "the cycle from which the next are counted, modulo 2^32"),
    u32("due", "not 0: a timer upcall is due"),
    u32("delayed", "not 0: an upcall is delayed by the lock"),
    u32("late", "the cycle from which the lock's bound counts, modulo 2^32"),
    u32("search", "original model: number of the SA_STACK at which the search for a free one begins"),
)

PIPE = Layout(
    "PIPE", "A pipe, in a frame of its own",
    u32("signal", "the PROCESS that gets SIGIO when something is written, or 0"),
    u32("read", "bytes read so far, modulo 2^32"),
    u32("written", "bytes written so far, likewise"),
    gap("readers", LINK.size, "ring of threads that wait for something to read"),
    gap("writers", LINK.size, "ring of threads that wait for room"),
    gap("data", ActSize.PIPE_BYTES, "the bytes: number n at n modulo PIPE_BYTES"),
)
