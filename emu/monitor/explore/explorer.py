"""The interrupt explorer: one scenario, run once for every instruction boundary at which the timer could interrupt it.

    scenario = Scenario(machine, broken_at=["panic"])       # from where the machine stands now
    explorer = Explorer(scenario, to="race_end")
    report = explorer.explore()
    report.broken[0].ticks                                  # instructions retired in front of the tick
    explorer.shrink(report.broken[0])

Only boundaries at which the processor accepts interrupts make a difference: a tick in front of any other waits for the
next one of these. Iterations of a REP instruction have no boundaries between them here, and while the processor waits
in HLT only the moment would differ.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

from emu.crossings import Bits
from emu.decoding import decode
from emu.monitor.explore.scenario import Scenario, ScenarioError, Ticks
from emu.monitor.inspect.threads import current
from emu.monitor.monitor import Monitor
from emu.result import Reason

LONGEST = 1_000_000             # instructions of a window
FARTHEST = 100_000              # instructions behind it in which the next open boundary is looked for
SHRINKING = 500                 # runs that making a case smaller may take, about
BYTES = 15                      # of the longest instruction

Told = Callable[[int, int], None]   # hears how many runs have been made, and of how many


class Boundary(NamedTuple):
    """A place between two instructions."""

    instructions: int           # retired before it
    address: int                # linear, of the instruction behind it


@dataclass(frozen=True)
class Window:
    """The boundaries of a stretch of a run."""

    open: list[Boundary]        # where interrupts are accepted
    closed: int                 # how many others there are: a tick there waits for the next open one


@dataclass(frozen=True)
class Broken:
    """Ticks that break an invariant."""

    ticks: Ticks
    reason: str                 # one line: which, and how
    where: str                  # symbol+offset of the instruction in front of which the last of them came
    text: str                   # this instruction
    file: str | None            # its source
    line: int | None

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {**vars(self), "ticks": list(self.ticks)}


@dataclass
class Report:
    """What an exploration has found."""

    window: Window
    tried: int = 0              # runs
    held: int = 0               # of these, how often the interrupt controller held the tick back: nothing was tried
    broken: list[Broken] = field(default_factory=list)      # in the order in which they were tried

    def groups(self) -> list[list[Broken]]:
        """What is broken, together what has the same place of the last tick and the same reason; in order."""
        groups: dict[tuple[str, str], list[Broken]] = {}
        for each in self.broken:
            groups.setdefault((each.where, each.reason), []).append(each)
        return list(groups.values())

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON."""
        return {"open": len(self.window.open), "closed": self.window.closed, "tried": self.tried, "held": self.held,
                "broken": [each.as_dict() for each in self.broken]}


class Explorer:
    """Places ticks in a scenario, in the window from its beginning to where execution first arrives at `to`, or to its
    end. Raises ScenarioError for a window that is too long or has no open boundary, ValueError for a place that is not
    there.
    """

    def __init__(self, scenario: Scenario, to: int | str | None = None) -> None:
        self.scenario = scenario
        self._to = scenario.place(to)
        self._length = LONGEST
        self.window = self.window_behind(())
        if not self.window.open:
            raise ScenarioError("the processor accepts no interrupt anywhere in the window: is it where you mean?")
        self._length = 2 * (len(self.window.open) + self.window.closed) + 1000     # a second window may be longer

    def explore(self, *, depth: int = 1, sample: int | None = None, seed: int = 0, first: bool = False,
                told: Told | None = None, into: Report | None = None) -> Report:
        """Place a tick at every open boundary; with `depth` 2, then a second one behind each first that broke nothing,
        at every open boundary of the window behind it. `sample`: no more than so many boundaries, with `depth` 2 pairs,
        chosen by `seed`. `first`: end with the first that breaks something. `into`: fill this report, which has what
        was found even if Ctrl-C ends it.

        Raises ValueError for another depth.
        """
        if depth not in (1, 2):
            raise ValueError(f"depth {depth}: 1 or 2 ticks can be placed")
        report = into or Report(self.window)
        for ticks, total in self._plan(depth, sample, random.Random(seed), report):
            report.tried += 1
            broken = self.attempt(ticks, report)
            if told:
                told(report.tried, total)
            if broken:
                report.broken.append(broken)
                if first:
                    break
        return report

    def shrink(self, broken: Broken) -> Broken:
        """As few ticks as break the same thing, and the last as early behind the others as it does."""
        for dropped in range(len(broken.ticks)):
            ticks = broken.ticks[:dropped] + broken.ticks[dropped + 1:]
            fewer = self.attempt(ticks) if ticks else None
            if fewer and fewer.reason == broken.reason:
                return self.shrink(fewer)
        others = broken.ticks[:-1]
        earlier = (boundary for boundary in self.window_behind(others).open if boundary.instructions < broken.ticks[-1])
        for boundary in islice(earlier, SHRINKING):
            found = self.attempt((*others, boundary.instructions))
            if found and found.reason == broken.reason:
                return found
        return broken

    def window_behind(self, ticks: Ticks) -> Window:
        """The window behind ticks, or from its beginning without any. Raises ScenarioError."""
        machine = self.scenario.machine
        state = machine.cpu.state
        self.scenario.go(ticks, ticks[-1] if ticks else self.scenario.start)
        if ticks:
            self.scenario.keep(ticks)
            machine.step()                                  # a second tick in front of it would be the same one
        first = state.instructions
        stretches, last = self._enabled()
        self.scenario.go(ticks, first)
        found: list[Boundary] = []
        for begin, end in stretches:
            if begin > state.instructions:
                machine.run(max_instructions=begin - state.instructions)
            while state.instructions < end and not (found and found[-1].instructions >= last):
                if machine.cpu.accepts_interrupts:
                    found.append(Boundary(state.instructions, machine.cpu.linear_eip))
                if machine.step().reason != Reason.INSTRUCTIONS:
                    break
        return Window(found, last - first + 1 - sum(boundary.instructions <= last for boundary in found))

    def _enabled(self) -> tuple[list[tuple[int, int]], int]:
        """Run through the window: from which instruction counts up to which others interrupts are enabled, with few
        boundaries in between at which they are not accepted; and the count at the window's end.

        They are enabled only where a block begins, so blocks that begin without are passed over. A tick in front of
        the window's end may have to wait until behind it, so what follows is looked at, too.
        """
        machine = self.scenario.machine
        state = machine.cpu.state
        with Monitor(machine, blocks=True) as monitor:
            result = machine.run(until=[self._to] if self._to >= 0 else (), max_instructions=self._length)
            last = state.instructions
            if result.reason == Reason.UNTIL:
                machine.run(max_instructions=FARTHEST)
        if result.reason == Reason.INSTRUCTIONS and self._length == LONGEST:
            raise ScenarioError(f"the window is longer than {LONGEST:,} instructions: name a place where it ends")
        starts = monitor.blocks["instructions"].tolist()
        enabled = (monitor.blocks["space"] & Bits.IF_TO != 0).tolist()
        ends = [*starts[1:], state.instructions]
        return [(start, end) for start, end, accepts in zip(starts, ends, enabled, strict=True)
                if accepts and start < end], last

    def _plan(self, depth: int, sample: int | None, chance: random.Random, report: Report
              ) -> Iterator[tuple[Ticks, int]]:
        """The ticks to try, and how many of them there will be, as far as is known then."""
        boundaries = self.window.open
        if depth == 1 and sample is not None:
            boundaries = sorted(chance.sample(boundaries, min(sample, len(boundaries))))
        for boundary in boundaries:
            yield (boundary.instructions,), len(boundaries)
        if depth == 1:
            return
        bad = {broken.ticks[0] for broken in report.broken}
        firsts = [boundary.instructions for boundary in boundaries if boundary.instructions not in bad]
        chosen = None if sample is None else Counter(chance.choices(firsts, k=sample if firsts else 0))
        for index, first in enumerate(firsts):
            if chosen is not None and first not in chosen:
                continue
            seconds = [boundary.instructions for boundary in self.window_behind((first,)).open]
            if chosen is not None:
                seconds = sorted(chance.sample(seconds, min(chosen[first], len(seconds))))
            for second in seconds:
                left = len(seconds) * (len(firsts) - index)
                yield (first, second), len(boundaries) + sample if sample is not None else report.tried + left

    def attempt(self, ticks: Ticks, report: Report | None = None) -> Broken | None:
        """Place these ticks, ascending: what breaks. Counts in `report` if the last of them cannot come there."""
        scenario = self.scenario
        if not scenario.go(ticks, ticks[-1]):
            if report:
                report.held += 1
            return None
        broken = self._broken(ticks)
        reason = scenario.finish()
        return replace(broken, reason=reason) if reason else None

    def _broken(self, ticks: Ticks) -> Broken:
        """What to say of the place where the machine stands."""
        machine, names = self.scenario.machine, self.scenario.names
        address, thread = machine.cpu.linear_eip, current(machine)
        program = thread.name if thread else ""
        code = decode(machine.cpu.read_linear(address, BYTES), address)[:1]
        text = f"{code[0].mnemonic} {code[0].operands}".rstrip() if code else ""
        file, line = names.line(address, program) or (None, None)
        return Broken(ticks, "", names.name(address, program), text, file, line)
