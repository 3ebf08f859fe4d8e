"""A machine as a test sees it: it runs, it is watched, and it fails the test if it does not come where it should."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emu.machine import Machine
from emu.monitor.monitor import Collector, Monitor, Records
from emu.monitor.names import Names
from emu.monitor.paths import paths
from emu.monitor.roster import Roster
from emu.result import Reason, Result
from emu.testing.pool import Booted

if TYPE_CHECKING:
    from emu.snapshot import Snapshot

MOST = 2_000_000                # crossings that are kept of a run, 72 bytes each
DEFAULT_CYCLES = 1_000_000_000  # of a run that is to end by itself
MET = (Reason.UNTIL, Reason.VECTOR)
LIMIT = (Reason.CYCLES, Reason.INSTRUCTIONS)
SHOWN = 12                      # lines of the console in a message

Limits = Mapping[str, int | None]
Places = int | str | Iterable[int | str] | None


class _Bounded(Collector):
    """A sink that keeps the last crossings."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self.lost = 0                   # how many were dropped

    def crossings(self, records: Records) -> None:
        super().crossings(records)
        self._count += len(records)
        while self._count > MOST and len(self._crossings) > 1:
            dropped = len(self._crossings.pop(0))
            self._count -= dropped
            self.lost += dropped


class _Watch:
    """Hears what a machine does, from now until it is closed."""

    def __init__(self, machine: Machine, marks: Iterable[int]) -> None:
        self.sink = _Bounded()
        self.monitor = Monitor(machine, marks=marks, sink=self.sink)
        self.monitor.start()
        self.roster = Roster(machine).__enter__()
        self._is_open = True

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self.roster.__exit__(None, None, None)
            self.monitor.stop()


class Guest:
    """A booted machine. Everything that `emu.machine.Machine` has is here, too; what is here goes over it.

    `machine` is the Machine itself, `result` the end of the last run (None before the first).
    """

    def __init__(self, booted: Booted, limits: Limits, named: Mapping[str, paths.NamedPath]) -> None:
        """`limits` are those of runs that are to end by themselves; `named` are paths by name. Raises PathError."""
        names = Names.of(booted.machine.image)
        marks = paths.marks(named.values(), names)
        self.__dict__.update(machine=booted.machine, result=None, booted=booted, paths=dict(named), names=names,
                             _limits=dict(limits), _marks=marks, _watch=_Watch(booted.machine, marks))

    machine: Machine
    result: Result | None
    booted: Booted                      # how it was booted, to make the same run again
    paths: dict[str, paths.NamedPath]
    names: Names
    _limits: dict[str, int | None]
    _marks: list[int]                   # where arrivals are noted
    _watch: _Watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["machine"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__:
            self.__dict__[name] = value
        else:
            setattr(self.machine, name, value)

    def __repr__(self) -> str:
        return f"<{self.title}: at {self.machine.where()}, cycle {self.machine.cpu.state.cycles:,}>"

    @property
    def title(self) -> str:
        """Image and processor, for people."""
        image = self.machine.image
        return f"{image.name if image else 'no image'} on {self.machine.profile.name}"

    @property
    def exit_code(self) -> int | None:
        """What the guest ended the machine with; None if it has not."""
        return self.result.exit_code if self.result else None

    @property
    def console(self) -> str:
        """What it has written to COM1, as text; the bytes are `machine.console`."""
        return self.machine.console.decode("utf-8", "replace")

    def address(self, place: int | str) -> int:
        """The linear address of [PROGRAM:]SYMBOL[+OFFSET]. Raises ValueError if there is no such symbol."""
        return place if isinstance(place, int) else self.names.resolve(place)[0]

    def word(self, place: int | str) -> int:
        """The doubleword at a linear address or symbol, in the address space that is loaded.

        Raises ValueError if there is no memory.
        """
        data = self.machine.cpu.read_linear(self.address(place), 4)
        if len(data) < 4:
            raise ValueError(f"no memory at {place}: no page is mapped there now")
        return int.from_bytes(data, "little")

    def run(self, *, max_cycles: int | None = None, max_instructions: int | None = None, until: Places = None,
            vectors: Iterable[int] = ()) -> Result:
        """Run until the guest ends, or as far as is said: see Machine.run.

        The test fails if the run comes neither to its end nor to one of the places or vectors that are named within
        the test's limits (marker `limits`, or a thousand million cycles), and if it ends without having come to one of
        those named. With a limit of its own, a run may end there.
        """
        __tracebackhide__ = True
        own_limit = max_cycles is not None or max_instructions is not None
        limits = {"max_cycles": max_cycles, "max_instructions": max_instructions} if own_limit else self._limits
        places = [until] if isinstance(until, int | str) else list(until or ())
        vectors = list(vectors)
        self.result = result = self.machine.run(**limits, until=[self.address(place) for place in places],
                                                vectors=vectors)
        named = [*map(str, places), *(f"vector {vector:#x}" for vector in vectors)]
        if result.reason in LIMIT and not own_limit:
            self._fail(f"did not {'come to ' + ' or '.join(named) if named else 'end'} in "
                       f"{limits['max_cycles' if result.reason == Reason.CYCLES else 'max_instructions']:,} "
                       f"{'cycles' if result.reason == Reason.CYCLES else 'instructions'}")
        if named and result.reason not in (*MET, *LIMIT, Reason.STOPPED):
            ended = f"exit code {result.exit_code}" if result.reason == Reason.EXIT else result.reason
            self._fail(f"ended ({ended}) without having come to {' or '.join(named)}")
        return result

    def step(self, instructions: int = 1) -> Result:
        """Run that many instructions, and the interrupts between them."""
        return self.run(max_instructions=instructions)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back, or on, to a snapshot of this machine; what was recorded until now is forgotten."""
        self.close()
        self.machine.restore(snapshot)
        self._watch = _Watch(self.machine, self._marks)

    @property
    def crossings(self) -> Records:
        """The crossings since it was booted or restored, oldest first. The last MOST of them, if there were more."""
        return self._watch.monitor.crossings

    @property
    def lost(self) -> int:
        """How many crossings there were before these."""
        return self._watch.sink.lost

    @property
    def roster(self) -> Roster:
        """The names of threads and spaces that were seen."""
        self._watch.roster.look()
        return self._watch.roster

    def close(self) -> None:
        """Watch it no longer."""
        self._watch.close()

    def _fail(self, text: str) -> None:
        __tracebackhide__ = True
        lines = self.console.splitlines()[-SHOWN:]
        console = "".join(f"\n    {line}" for line in lines)
        pytest.fail(f"{self.title} {text}: it stands at {self.machine.where()}"
                    + (f"; its console:{console}" if lines else "; its console is empty"))


def named_paths(files: Iterable[Path], more: Mapping[str, Any] | str | Path | None) -> dict[str, paths.NamedPath]:
    """The paths of an image, and `more` of a test: a table by name, or a file. Raises PathError and OSError."""
    found = paths.load(files)
    if isinstance(more, str | Path):
        return found | paths.load([Path(more)])
    return found | {name: paths.path(name, table) for name, table in (more or {}).items()}
