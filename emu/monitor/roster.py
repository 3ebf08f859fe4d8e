"""Who was who in a run: the names of threads and address spaces, noted while they live.

Records tell threads apart by ESP0 and address spaces by CR3 (`emu.crossings`). What these are called only the guest's
memory knows, and only as long as they exist: so a roster looks whenever somebody new runs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from types import TracebackType

from emu.machine import Machine
from emu.monitor.inspect.kinds import UNNAMED
from emu.monitor.inspect.threads import current, is_known


class Roster:
    """The names of a machine's threads and address spaces, as far as they run while it looks.

    A context manager, for a machine that a Monitor listens to: it looks at every turn of the machine's loop, at least
    as often as a timer interrupts, which shows in nothing. The first name stays: a kernel that gives a stack and a page
    directory to another program later makes both look like one. Of a kernel that is not known all names are missing.
    """

    def __init__(self, machine: Machine) -> None:
        self.threads: dict[int, str] = {}       # ESP0 -> name: "ping (1)"
        self.spaces: dict[int, str] = {}        # CR3 -> program
        self._machine = machine
        self._seen: set[tuple[int, int]] = set()        # ESP0 and CR3
        self._others: Callable[[], None] | None = None

    def __enter__(self) -> Roster:
        if is_known(self._machine):
            self._others, self._machine.on_turn = self._machine.on_turn, self._turn
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if is_known(self._machine):
            self.look()
            self._machine.on_turn = self._others

    def look(self) -> None:
        """Note who runs now."""
        key = ctypes.c_uint32.from_address(self._machine.cpu.state.thread_at).value     # as a record would have it
        who = key, self._machine.cpu.registers.cr3
        if key and who not in self._seen:
            thread = current(self._machine)
            if thread is None or thread.name != UNNAMED:    # else it may have a name when it has run a little
                self._seen.add(who)
            if thread and self.spaces.get(thread.directory, UNNAMED) == UNNAMED:
                self.spaces[thread.directory] = thread.name
            if thread and self.threads.get(thread.key, UNNAMED).startswith(UNNAMED):
                self.threads[thread.key] = f"{thread.name} ({thread.number})"

    def _turn(self) -> None:
        self.look()
        if self._others:
            self._others()
