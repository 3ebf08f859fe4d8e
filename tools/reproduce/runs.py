"""Runs of images, and what paths through them cost: what every table is measured with.

Nothing in the guest is instrumented. An image's paths are those that its .paths.toml files name; `trapline costs` shows
the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.machine import Machine
from emu.monitor.monitor import Monitor
from emu.monitor.names import Names
from emu.monitor.paths.costs import PathCosts, costs
from emu.monitor.paths.ledger import Ledger, Place, ledger
from emu.monitor.paths.paths import load, marks, point
from emu.monitor.roster import Roster
from emu.net.plug import chosen
from emu.network import Network
from emu.result import Reason, Result
from emu.timing.profile import Profile, load_profile
from loader.boot import load as load_image
from loader.image import Image, Module

LONGEST = 100_000_000_000   # cycles after which a run that should end by itself is given up
MEMORY = 16 << 20           # bytes of a machine that needs no more


class RunError(Exception):
    """A run that did not do what it is for: one line that says which run, and what happened instead."""


@dataclass(frozen=True)
class Run:
    """A run that came to its end, and what the paths through it cost."""

    boot: Callable[[], Machine]         # the machine once more, about to make the same run
    profile: Profile
    paths: dict[str, PathCosts]
    crossings: NDArray[Any]             # all of them, with the marks of paths and places
    arrivals: dict[str, NDArray[np.int64]]      # the clock whenever it came to one of the places asked for
    title: str                          # for messages: image, arguments and processor

    def path(self, name: str, at_least: int = 1) -> PathCosts:
        """What a path cost, which the run went along that often. Raises RunError."""
        found = self.paths.get(name)
        if found is None or found.count < at_least:
            count = "is not named" if found is None else f"was taken {found.count:,} times"
            raise RunError(f"{self.title}: the path {name} {count}; the table needs {at_least:,}")
        return found

    def ledger(self, occurrence: NDArray[Any]) -> Ledger:
        """An occurrence of a path, instruction by instruction; from a second run."""
        begin, end = (Place(int(occurrence[f"{name}_instructions"]), int(occurrence[name]))
                      for name in ("begin", "end"))
        return ledger(self.boot(), begin, end)

    def behind(self, occurrences: NDArray[Any]) -> NDArray[np.int64]:
        """Cycles of the instruction behind each of these occurrences of a path that ends at a place; from a second
        run.
        """
        machine, found = self.boot(), []
        for at in occurrences["end_instructions"].tolist():
            machine.run(max_instructions=at - machine.cpu.state.instructions)
            before = machine.clock.now
            machine.step()
            found.append(machine.clock.now - before)
        return np.array(found, np.int64)


def run(name: str, cpu: str | Profile, arguments: str | Sequence[str] | None = None, places: Sequence[str] = (), *,
        sent: Sequence[int] = (), memory: int = MEMORY, parameters: Mapping[str, int] | None = None) -> Run:
    """Boot an image of ours, its first program with other `arguments` if any are given, or its first few if there are
    several, and run it to its end, which must be an exit with 0. Arrivals at `places` in the code are noted besides its
    paths. `sent` are cycles at which the far end of COM1 sends a byte; `parameters` are the kernel's, over the image's.

    Raises RunError if it ends otherwise, ImageError, ProfileError and PathError.
    """
    image = load_image(name, parameters=parameters)
    given = [] if arguments is None else [arguments] if isinstance(arguments, str) else arguments
    for at, each in enumerate(given):
        image.modules[at] = with_arguments(image.modules[at], each)
    profile = cpu if isinstance(cpu, Profile) else load_profile(cpu)
    title = f"{image.modules[0].string if image.modules else name} in {name} on {profile.name}"
    boot = partial(_boot, image, profile, sent, memory)
    watched = _Watched(image, boot(), places)
    with watched.running() as machine:
        result = machine.run(max_cycles=LONGEST)
    if result.reason != Reason.EXIT or result.exit_code:
        raise _wrong(title, machine, result)
    return Run(boot, profile, watched.paths(), watched.crossings, watched.arrivals(), title)


@dataclass(frozen=True)
class Window:
    """A part of a run that does not end by itself."""

    profile: Profile
    seconds: float                              # how long it was, in the machine's time
    paths: dict[str, NDArray[Any]]              # the occurrences of each that began in it
    arrivals: dict[str, NDArray[np.int64]]      # the clock whenever it came to one of the places asked for
    told: tuple[dict[str, Any], dict[str, Any]]     # what the network said of itself at its beginning, and at its end
    title: str                                  # for messages


def watch(name: str, cpu: str | Profile, begin: float, end: float, places: Sequence[str] = (), *,
          programs: Sequence[str], memory: int = MEMORY) -> Window:
    """Boot an image of ours with those of its modules alone that are named, on the network that its manifest wants, and
    watch it from `begin` to `end`, in seconds of the machine's time. It must not end before.

    Raises RunError if it does, ImageError, ProfileError and PathError.
    """
    image = load_image(name)
    image.modules = [module for module in image.modules if module.name in programs]
    profile = cpu if isinstance(cpu, Profile) else load_profile(cpu)
    title = f"{' '.join(programs)} in {name} on {profile.name}"
    watched, told = _Watched(image, Machine.boot(image, cpu=profile, memory=memory), places), []
    machine = watched.machine
    first, last = (round(at * profile.clock) for at in (begin, end))
    network = chosen(None, None, image.wiring)
    if network:
        Network(machine, *network)
    with watched.running():
        for until in (first, last):
            result = machine.run(max_cycles=until - machine.clock.now)
            if result.reason != Reason.CYCLES:
                raise _wrong(title, machine, result)
            told.append(machine.network.describe() if machine.network else {})
    occurrences = {path: found.occurrences for path, found in watched.paths().items()}
    return Window(
        profile, end - begin,
        {path: each[(each["begin"] >= first) & (each["begin"] < last)] for path, each in occurrences.items()},
        {place: each[(each >= first) & (each < last)] for place, each in watched.arrivals().items()},
        (told[0], told[1]), title)


class _Watched:
    """A machine whose crossings are kept while it is `running`, with the marks of its image's paths and of `places`."""

    def __init__(self, image: Image, machine: Machine, places: Sequence[str]) -> None:
        self.machine = machine
        self._names = Names.of(image)
        self._paths = list(load(image.path_files).values())
        self._points = {place: point(place) for place in places}
        addresses = [each.resolve(self._names)[0] for each in self._points.values()]
        self._monitor = Monitor(machine, marks=[*marks(self._paths, self._names), *addresses])
        self._roster = Roster(machine)

    @contextmanager
    def running(self) -> Iterator[Machine]:
        """The machine, which is watched meanwhile."""
        with self._monitor, self._roster:
            yield self.machine

    @property
    def crossings(self) -> NDArray[Any]:
        return self._monitor.crossings

    def paths(self) -> dict[str, PathCosts]:
        found = costs(self._paths, self.crossings, self._names, self._roster.spaces)
        return {each.path.name: each for each in found}

    def arrivals(self) -> dict[str, NDArray[np.int64]]:
        crossings = self.crossings
        return {place: crossings["cycle"][each.among(crossings, self._names)] for place, each in self._points.items()}


def _wrong(title: str, machine: Machine, result: Result) -> RunError:
    """What a run did that is not what it is for."""
    said = machine.console.decode("utf-8", "backslashreplace").splitlines()
    return RunError(f"{title}: {result.reason} {result.detail or result.exit_code}, at {result.where}"
                    f"{f': {said[-1]}' if said else ''}")


def _boot(image: Image, profile: Profile, sent: Sequence[int], memory: int) -> Machine:
    machine = Machine.boot(image, cpu=profile, memory=memory)
    if sent:
        waiting = iter(sent)

        def send() -> None:
            machine.uart.receive(b".")
            schedule()

        def schedule() -> None:
            if (cycle := next(waiting, None)) is not None:
                event.schedule(cycle)

        event = machine.clock.event("far end", send)
        schedule()
    return machine


def with_arguments(program: Module, arguments: str) -> Module:
    """The same program, started with other arguments."""
    return replace(program, string=f"{program.name} {arguments}".rstrip())


def median(occurrences: NDArray[Any]) -> NDArray[Any]:
    """The one whose cycles are the median of all; each is OCCURRENCE."""
    return occurrences[np.argsort(occurrences["cycles"], kind="stable")[(len(occurrences) - 1) // 2]]
