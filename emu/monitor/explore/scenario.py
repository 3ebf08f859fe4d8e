"""A scenario: a run that can be made again with the timer's ticks at other places, and what must hold in it.

The tick is the timer's own, at another moment. Where the scenario begins, the period of the 8254's channel 0 begins
anew, so that no tick falls into what is shorter; then its end is brought forward to the wanted place, and the periods
after it follow from there. A real machine does the same whenever crystal and processor stand in another phase, so a
guest that breaks can break there. No tick is added, and nothing but the phase is changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from emu.clock import NEVER
from emu.monitor.names import Names
from emu.result import Reason, Result

if TYPE_CHECKING:
    from emu.machine import Machine
    from emu.snapshot import Snapshot

Check = Callable[["Machine"], object]   # looks at the machine at the end; raises AssertionError for a broken invariant
Ticks = tuple[int, ...]                 # where ticks are placed: instructions retired since power-on, ascending

STRIDE = 5_000                  # instructions; so near a snapshot, it is quicker to run than to take another
KEPT = 8                        # snapshots
ENDLESS = 2_000_000_000         # cycles after which an undisturbed run is given up
PATIENCE, GRACE = 4, 20         # a disturbed one: after so many times its cycles, and a twentieth of a second


class ScenarioError(ValueError):
    """A scenario that cannot be explored: one line, what and what to do."""


class _Moment(NamedTuple):
    ticks: Ticks                # placed by then
    instructions: int           # retired
    snapshot: Snapshot


class Scenario:
    """The run of a machine from where it stands now, as often as one likes."""

    def __init__(self, machine: Machine, *, until: int | str | None = None, broken_at: Iterable[int | str] = (),
                 exit_code: int | None = None, check: Check | None = None, max_cycles: int | None = None) -> None:
        """It ends as the guest ends it, or where execution arrives at `until`, or after `max_cycles`; without these, a
        disturbed run that takes much longer than the undisturbed one is cut, too.

        It must not arrive at a place of `broken_at`; the guest must end it with `exit_code`, or, if that is None, as it
        does undisturbed; and `check` must accept the machine then. Places are addresses or [PROGRAM:]SYMBOL[+OFFSET].
        Raises ScenarioError, and ValueError for a place that is not there.
        """
        self.machine = machine
        self.names = Names.of(machine.image)
        self._until = self.place(until)
        self._broken_at = {self.place(place): str(place) for place in broken_at}
        self._exit_code, self._check, self._limit = exit_code, check, max_cycles
        self._timer = machine.pit.counters[0]
        self._timer.begin_anew()
        if self._timer.event.cycle == NEVER:
            raise ScenarioError("the timer does not run where the window begins: let it begin later")
        self.start = machine.cpu.state.instructions
        self._moments = [_Moment((), self.start, machine.snapshot())]
        self._usual = self._undisturbed()

    def place(self, place: int | str | None) -> int:
        """The address of a place, -1 for None. Raises ValueError."""
        if place is None:
            return -1
        return place if isinstance(place, int) else self.names.resolve(place)[0]

    def go(self, ticks: Ticks, instructions: int) -> bool:
        """Make the machine stand where so many instructions have retired, ticks having been placed on the way, or just
        now; False if the interrupt controller held the last of these back.
        """
        moment = max((moment for moment in self._moments if moment.ticks == ticks[:len(moment.ticks)]
                      and moment.instructions <= ([*ticks, instructions])[len(moment.ticks)]),
                     key=lambda moment: (len(moment.ticks), moment.instructions))
        self.machine.restore(moment.snapshot)
        taken = True
        for count, tick in enumerate(ticks[len(moment.ticks):], start=len(moment.ticks)):
            self._advance(ticks[:count], tick)
            taken = self._timer.end_now() and bool(self.machine.cpu.state.intr)
        self._advance(ticks, instructions)
        return taken

    def broken(self, ticks: Ticks) -> str | None:
        """With ticks placed so: which invariant breaks, and how, in one line; None if none does."""
        self.go(ticks, ticks[-1])
        return self.finish()

    def finish(self) -> str | None:
        """Run on from here to the end, and judge."""
        result = self._run(self._limit)
        wrong = self._judge(result)
        if wrong or not self._check:
            return wrong
        try:
            self._check(self.machine)
        except AssertionError as error:
            return "check: " + (str(error).strip().splitlines() or ["an assertion failed"])[0]
        return None

    def _advance(self, ticks: Ticks, instructions: int) -> None:
        """Run to an instruction count, and take a snapshot there if the last is far away."""
        state = self.machine.cpu.state
        left = instructions - state.instructions
        if left > 0:
            self.machine.run(max_instructions=left)
        if left > STRIDE:
            self.keep(ticks)

    def keep(self, ticks: Ticks) -> None:
        """Remember the machine as it stands, with these ticks placed: going here again is quick."""
        self._moments.append(_Moment(ticks, self.machine.cpu.state.instructions, self.machine.snapshot()))
        if len(self._moments) > KEPT:
            del self._moments[1]

    def _run(self, limit: int | None) -> Result:
        places = {*self._broken_at, self._until} - {-1}
        return self.machine.run(until=places, max_cycles=limit)

    def _undisturbed(self) -> Result:
        """How it ends with no tick placed; sets how long a disturbed run may take."""
        begin = self.machine.cpu.state.cycles
        result = self._run(self._limit or ENDLESS)
        if result.reason == Reason.CYCLES and self._limit is None:
            raise ScenarioError(f"the run has not ended after {ENDLESS:,} cycles: name the place where it is over, or "
                                "a number of cycles")
        if self._limit is None:
            self._limit = PATIENCE * (result.cycles - begin) + self.machine.clock.frequency // GRACE
        self._usual = result
        self.go((), self.start)
        wrong = self.finish()
        if wrong:
            raise ScenarioError(f"it breaks without a tick placed: {wrong}")
        return result

    def _judge(self, result: Result) -> str | None:
        """What is wrong with an end, in one line."""
        usual = self._usual
        if result.reason == Reason.UNTIL and result.eip in self._broken_at:
            return f"arrived at {self._broken_at[result.eip]}"
        if self._exit_code is not None and result.exit_code not in (None, self._exit_code):
            return f"exit code {result.exit_code} instead of {self._exit_code}"
        if result.reason == usual.reason:
            if self._exit_code is None and result.exit_code != usual.exit_code:
                return f"exit code {result.exit_code} instead of {usual.exit_code}"
            return None
        if result.reason == Reason.CYCLES:
            return f"not over after {self._limit:,} cycles, at {result.where}"
        return f"{result.reason}{': ' if result.detail else ''}{result.detail} instead of {usual.reason}"
