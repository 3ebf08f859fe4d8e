"""What is known of a guest's threads, whatever its kernel; and what a file about one kind of kernel must offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from emu.machine import Machine
from emu.monitor.inspect.plain import Plain

UNNAMED = "thread"          # what a thread is called whose program is not known, or not yet


@dataclass(frozen=True)
class Thread(Plain):
    """A thread of the guest."""

    key: int                # ESP0 while it runs: as `thread` in records
    number: int             # the kernel's
    name: str               # of its program; "idle"; UNNAMED
    state: str              # for people: "ready", "running", "receiving from 33.1"
    rank: str               # how it is scheduled, for people: "priority 100", "level 1"; "" if there is nothing to say
    current: bool           # the processor runs it, in user or kernel mode
    tcb: int                # linear address of its control block
    directory: int          # physical address of its page directory
    stack: int              # where the registers lie that were saved when it lost the processor; of the current thread
                            # ESP if it is in the kernel
    wake: int               # the tick that wakes it, 0 if none does


@dataclass(frozen=True)
class Space(Plain):
    """An address space, and who lives in it."""

    directory: int          # physical address of the page directory
    threads: list[str]      # as `thread_name` calls them
    current: bool           # loaded in CR3


class Kind(Protocol):
    """A kind of kernel: what its file offers."""

    @property
    def NEEDED(self) -> Sequence[str]:
        """Symbols by which it is known."""
        ...

    @property
    def STACK(self) -> str | None:
        """The symbol at the end of the one kernel stack; what a program was doing lies in a frame that ends at its
        thread's key. None: every thread has a stack of its own, which ends there.
        """
        ...

    @property
    def EIP_AT(self) -> int:
        """Bytes from `Thread.stack` of a thread that does not run to the word that says where it goes on."""
        ...

    def listed(self, machine: Machine) -> list[Thread]:
        """All threads, in any order; none before there are any."""
        ...

    def of_key(self, machine: Machine, key: int) -> Thread | None:
        """The thread with that key, None if there is none."""
        ...

    def on_stack(self, machine: Machine, running: Thread) -> Thread:
        """The thread whose kernel stack is in use, while `running` is the current one, in the kernel."""
        ...

    def sysenter_return(self, machine: Machine) -> tuple[int, int]:
        """(address, stack pointer) with which a program goes on that executes SYSENTER now."""
        ...

    def saved_registers(self, machine: Machine, thread: Thread) -> dict[str, int]:
        """What a thread that does not run has kept, by Intel's names; with `cs` and `ss` it goes on in user mode."""
        ...
