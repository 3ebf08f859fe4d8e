"""The objects of the user thread library guest/lib/threads, which the kernel knows nothing of."""

from __future__ import annotations

from guest.abi.layout import Layout, gap, u32
from guest.abi.words import Word


class PosixError(Word):
    """What the POSIX-like face returns in EAX with CF set, with the numbers of Linux"""

    EPERM = 1, "the mutex belongs to another thread"
    ESRCH = 3, "no such thread"
    EAGAIN = 11, "out of memory"
    EINVAL = 22, "attributes that make no sense, or a thread that another one joins already or that is detached"
    EDEADLK = 35, "the thread would wait for itself"


class PosixValue(Word):
    """Values of the POSIX-like face"""

    CANCELLED = 0xFFFF_FFFF, "what the join of a thread gives that was cancelled"


class UserPriority(Word):
    """Priorities, of the policy that has them"""

    USER_PRIORITIES = 32, "0 to one below: the highest runs first"
    USER_PRIORITY = 16, "the main thread's, and of threads made without attributes"


class UserDeadline(Word):
    """Deadlines, of the policy that has them: numbers, the lowest runs first"""

    DEADLINE_NONE = 0xFFFF_FFFF, "the main thread's, and of threads made without attributes: runs last"


class UserThreadSize(Word):
    """Sizes"""

    UT_BUCKETS = 1024, "heads of the chains in which a thread is found by its activation, a power of two"
    UT_PAGES_MAX = 4096, "pages of a stack at most"
    UT_MAGIC = 0x7D12_EAD5, "in UT_LIVE"


QUEUE = Layout(
    "QUEUE", "Threads that wait, by UT_NEXT; also a condition variable. All zero: nobody",
    u32("head", "the one that waits longest, or 0"),
    u32("tail", "the one that came last; means nothing while the queue is empty"),
)

MUTEX = Layout(
    "MUTEX", "A mutex. All zero: free",
    u32("owner", "the thread that has it, or 0"),
    gap("waiters", QUEUE.size, "QUEUE of threads that want it"),
)

SEMAPHORE = Layout(
    "SEMAPHORE", "A semaphore. All zero: the count is 0",
    u32("count", "how often it may be taken before a thread has to wait"),
    gap("waiters", QUEUE.size, "QUEUE of threads that wait for it"),
)

ATTRIBUTES = Layout(
    "ATTRIBUTES", "What a thread is made with",
    u32("pages", "pages of its stack, from 1; UT at the top takes its part"),
    u32("priority", "0 to USER_PRIORITIES - 1"),
    u32("deadline", "1 to DEADLINE_NONE"),
)

UT = Layout(
    "UT", "User thread, at the top of its stack's area; a thread is known by the address of this",
    u32("stack", "stack pointer while it does not run: a RESUME; 0 while it is blocked in the kernel"),
    u32("next", "the next in the queue that it stands in"),
    u32("activation", "while it is in the kernel, blocked or unblocked: its activation; else 0"),
    u32("inside", "then: the next in the chain of those in the kernel"),
    u32("pages", "pages of its area; 0: the main thread"),
    u32("joiner", "the thread that waits for its end, or 0"),
    u32("value", "when it has ended: what the join gives"),
    u32("done", "not 0: it has ended"),
    u32("detached", "not 0: nobody will join it"),
    u32("priority", "ATTRIBUTES_PRIORITY"),
    u32("deadline", "ATTRIBUTES_DEADLINE"),
    u32("live", "UT_MAGIC from its creation until its area is given back"),
    u32("cancel", "POSIX-like face: not 0: it is to end at the next cancellation point"),
    u32("kept_off", "POSIX-like face: not 0: it does not want to be cancelled now"),
    u32("number", "kernel threads: the kernel's number of it"),
)

RESUME = Layout(
    "RESUME", "What a thread that does not run has on its stack, in the order in which it is popped",
    u32("ebp", "kept by every routine"),
    u32("edi", "likewise"),
    u32("esi", "likewise; in a new thread its argument"),
    u32("ebx", "likewise; in a new thread its routine"),
    u32("eip", "where it goes on, with the lock held"),
)
