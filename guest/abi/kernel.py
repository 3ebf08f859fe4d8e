"""What the kernel and its programs agree on: system calls, errors, exit codes; and the kernel's own objects."""

from __future__ import annotations

from guest.abi.layout import Layout, group, u32
from guest.abi.words import Word


class Syscall(Word):
    """System calls: number in EAX, arguments in EBX and ESI, result in EAX; ECX and EDX are destroyed"""

    SYS_WRITE = 0, "write(EBX = buffer, ESI = length) to the console: bytes written, at most WRITE_MAX; ERR_ADDRESS"
    SYS_YIELD = 1, "yield(): lets every other ready thread run first; 0"
    SYS_EXIT = 2, "exit(EBX = exit code): ends the program"
    SYS_TIME = 3, "time(): nanoseconds since the timer started, low half in EAX, high half in EBX; steps with the tick"
    SYS_SLEEP = 4, "sleep(EBX = ticks): waits until that many ticks have come, 1 to 7FFFFFFFh, else one; 0"
    SYS_SELF = 5, "self(): the number of the calling thread, from 1 in the order of their start"


class SyscallCount(Word):
    """How many there are"""

    SYSCALL_COUNT = len(Syscall), "system calls; a number from here on is answered with ERR_CALL"


class Error(Word):
    """Errors that system calls return in EAX"""

    ERR_CALL = -1, "no such system call"
    ERR_ADDRESS = -2, "the buffer is not, or not wholly, memory of the program"


class ExitCode(Word):
    """Exit codes of a program; the machine ends with the first program's"""

    EXIT_NOT_STARTED = 126, "it could not be started: the console says why"
    EXIT_FAULT = 128, "a fault ended it: this plus the vector"
    EXIT_PANIC = 255, "the kernel itself failed: the console says why"


class KernelFeature(Word):
    """What a program is told in EAX when it starts"""

    FEATURE_SYSENTER = 1, "SYSENTER is a way to make system calls"
    FEATURE_EXCEPTION = 2, "INT VECTOR_GUEST is the only way: what is above the program takes its exceptions"


class ThreadState(Word):
    """States of a thread"""

    THREAD_READY = 1, "in the run queue"
    THREAD_RUNNING = 2, "on the processor"
    THREAD_SLEEPING = 3, "waits for a tick"


TCB = Layout(
    "TCB", "Thread control block, at the bottom of its TCB_AREA; the kernel stack grows down towards it",
    u32("stack", "kernel stack pointer while the thread does not run: a SWITCH frame"),
    u32("state", "what it is doing", ThreadState),
    u32("next", "next in the queue that it stands in, or 0"),
    u32("space", "physical address of its page directory, for CR3"),
    u32("number", "its number, from 1; 0 is the idle thread"),
    u32("module", "the Multiboot module that it runs"),
    u32("wake", "while it sleeps: the tick that wakes it"),
)

SWITCH = Layout(
    "SWITCH", "What a thread that does not run has on its kernel stack, in the order in which it is popped",
    group("ours"),
    u32("gs", "user segment register that the kernel never uses"),
    u32("fs", "likewise"),
    u32("ebp", "kept by every routine"),
    u32("edi", "likewise"),
    u32("esi", "likewise"),
    u32("ebx", "likewise"),
    group("the return address"),
    u32("eip", "where the thread goes on in the kernel"),
)
