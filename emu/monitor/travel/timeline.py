"""Time travel: a run in which one can go back, and on again, to the exact instruction.

    timeline = Timeline(machine)            # from here on, run the machine through it
    timeline.run(until="panic")             # as Machine.run
    timeline.back()                         # one instruction
    timeline.reverse_continue(until=["ipc_call"])
    timeline.bookmark("the call")           # timeline.goto("the call") comes back

The machine is deterministic, so to go back is to restore a snapshot from before and to run on from it. `history` takes
snapshots as the machine runs into the unknown. What reaches the machine from outside is noted, and happens again when
its time comes: see `do` and `repeatable`. Output that has been heard is not heard twice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from emu.monitor.travel.history import History, Moment, Position
from emu.result import Reason, Result

if TYPE_CHECKING:
    from emu.machine import Machine

NEVER = 1 << 62             # a cycle or an instruction count that does not come
LIMITS = (Reason.CYCLES, Reason.INSTRUCTIONS)
MET = ("UNTIL", "VECTOR")    # names of reasons
NEAR = 100_000              # instructions: a snapshot so near the present makes the next steps back quick
WINDOW = 1000               # instructions that are searched first when continuing backward
GROWTH = 16                 # each further search goes that many times as far

Places = int | str | Iterable[int | str] | None
Condition = Callable[["Machine"], bool]


@dataclass(frozen=True)
class Stops:
    """Where to stop: in front of one of the addresses, or behind the delivery of one of the vectors, if `condition`
    holds there; with neither, in front of every instruction at which it holds.
    """

    addresses: frozenset[int] = frozenset()
    vectors: frozenset[int] = frozenset()
    condition: Condition | None = None

    @property
    def single(self) -> bool:
        """True if every instruction must be looked at."""
        return self.condition is not None and not self.addresses and not self.vectors

    def met(self, result: Result) -> bool:
        """True if a run ended at one of the addresses or vectors."""
        return result.reason.name in MET

    def arguments(self) -> dict[str, Any]:
        """Those of Machine.run."""
        return {name: value for name, value in (("until", self.addresses), ("vectors", self.vectors)) if value}


NOWHERE = Stops()


@dataclass(frozen=True)
class _Deed:
    """Something that was done to the machine from outside."""

    position: Position
    action: Callable[[Machine], object]


class _Tape:
    """A function from outside, and what it has returned so far."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.results: list[Any] = []
        self.next = 0                               # which result the next call gets

    def __call__(self, *arguments: Any) -> Any:
        if self.next == len(self.results):
            self.results.append(self._function(*arguments))
        self.next += 1
        return self.results[self.next - 1]


class Timeline:
    """A machine's run from now on, in both directions.

    Run the machine through its methods only, and change it (registers, memory, input) only by `do`: everything else
    would be forgotten, or be there too early, after going back.
    """

    def __init__(self, machine: Machine, *, interval: int = 4_000_000, most: int = 64, room: int = 256 << 20) -> None:
        """A snapshot is taken every `interval` instructions; of these at most `most` are kept, and so many that the
        pages by which they differ fit into `room` bytes: the older, the sparser.
        """
        self.machine = machine
        self.bookmarks: dict[str, Position] = {}
        self._tapes: list[_Tape] = []
        self._deeds: list[_Deed] = []               # in the order of their positions
        self._done = 0                              # how many of them have been done where the machine stands
        self._farthest = self.position
        self._step_end: Position | None = None      # a position that is known to be the end of a step
        self._history = History(self._moment(), interval, most, room)
        self._near: Moment | None = None            # one more, near where somebody looks around
        self._mute()

    # Where

    @property
    def position(self) -> Position:
        """Where the machine stands. Positions compare: the later, the greater."""
        state = self.machine.cpu.state
        return Position(state.cycles, state.instructions)

    @property
    def start(self) -> Position:
        """The beginning: one cannot go back farther."""
        return self._history.first.position

    @property
    def farthest(self) -> Position:
        """The end of what has been run."""
        return self._farthest

    @property
    def replaying(self) -> bool:
        """True where the machine has been before: what happens now is known. May be asked during a run."""
        return self.position < self._farthest

    def bookmark(self, name: str) -> Position:
        """Give the position a name for `goto`; a name that exists moves here."""
        self.bookmarks[name] = self.position
        return self.position

    # Forward

    def run(self, *, max_cycles: int | None = None, max_instructions: int | None = None, until: Places = None,
            vectors: Collection[int] = (), condition: Condition | None = None) -> Result:
        """As Machine.run; `condition` as in Stops. Raises KeyError for an unknown symbol, and what a device raised."""
        stops = self._stops(until, vectors, condition)
        here = self.position
        last_cycle = NEVER if max_cycles is None else here.cycles + max_cycles
        last = NEVER if max_instructions is None else here.instructions + max_instructions
        while True:
            result = self._advance(last_cycle, last, stops)
            if result.reason == Reason.CYCLES and self.position.cycles >= last_cycle:
                return replace(result, detail=f"{max_cycles} cycles have passed")
            if result.reason == Reason.INSTRUCTIONS and self.position.instructions >= last:
                return replace(result, detail=f"{max_instructions} instructions have run")
            if stops.single and result.reason in LIMITS and self._holds(stops):
                return replace(result, reason=Reason.UNTIL, detail="")
            if result.reason not in LIMITS and not (stops.met(result) and not self._holds(stops)):
                return result

    def step(self, instructions: int = 1) -> Result:
        """Run that many instructions, and the interrupts between them."""
        return self.run(max_instructions=instructions)

    # Anywhere

    def goto(self, place: Position | str) -> Position:
        """Go to a position of this run, or a bookmark. Raises KeyError for an unknown one, ValueError for a position at
        which the machine never stands; it then stays where it is.
        """
        wanted = self.bookmarks[place] if isinstance(place, str) else place
        before = self.position
        if wanted < self.start or not self._go(wanted):
            self._go(before)
            raise ValueError(f"the run does not come by cycle {wanted.cycles} with {wanted.instructions} instructions "
                             "retired; take a position from the timeline")
        return self.position

    def back(self, instructions: int = 1) -> Position:
        """Go back to before the last `instructions` instructions: what as many `step`s would have started from.

        Behind an exception or interrupt that has just been delivered, the first of them leads to before it. Nobody goes
        farther back than the start.
        """
        now = self.position
        if instructions > 0 and self._step_end != now and self._go_to_count(now.instructions, now) < now:
            instructions -= 1                       # what was undone is no instruction, or not a whole one
        if instructions > 0:
            self._go_to_count(now.instructions - instructions, now)
        return self.position

    def reverse_continue(self, until: Places = None, vectors: Collection[int] = (),
                         condition: Condition | None = None) -> bool:
        """Go back to the last position before this one at which `run` would have stopped; False, and to the start, if
        there is none. Raises KeyError for an unknown symbol.
        """
        stops = self._stops(until, vectors, condition)
        end, inclusive, window = self.position, False, WINDOW
        while end > self.start:
            begin = self._go_to_count(end.instructions - window, end)
            found = self._last_stop(end, inclusive, stops)
            if found:
                self._go(found)
                return True
            end, inclusive, window = begin, True, window * GROWTH
        self._go(self.start)
        return False

    # From outside

    def do(self, action: Callable[[Machine], object]) -> None:
        """Do something to the machine (`lambda machine: machine.uart.receive(b"y")`), now, and again whenever the run
        comes by here. What had been run beyond is forgotten: from here on, it is another run.
        """
        here = self.position
        del self._deeds[self._done:]
        self._history.forget_after(here)
        self._near = None
        self._farthest = here
        self._heard = len(self.machine.console), len(self.machine.debug_console)
        self.bookmarks = {name: position for name, position in self.bookmarks.items() if position <= here}
        for tape in self._tapes:
            del tape.results[tape.next:]
        self._deeds.append(_Deed(here, action))
        self._arrive()

    def repeatable(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """For what a device asks the outside world during a run (keys pressed, bytes from a pipe): a function that asks
        `function` the first time that the run comes by, and answers the same whenever it does so again.
        """
        self._tapes.append(_Tape(function))
        return self._tapes[-1]

    # How

    def _stops(self, until: Places, vectors: Collection[int], condition: Condition | None) -> Stops:
        places = [until] if isinstance(until, int | str) else until or ()
        return Stops(frozenset(map(self.machine.address, places)), frozenset(vectors), condition)

    def _holds(self, stops: Stops) -> bool:
        return stops.condition is None or stops.condition(self.machine)

    def _advance(self, last_cycle: int, last: int, stops: Stops = NOWHERE) -> Result:
        """Run to a cycle, an instruction count or what else ends a run, doing on the way what was done there; with a
        condition alone, an instruction.
        """
        if stops.single:
            last = min(last, self.position.instructions + 1)
        while True:
            here = self.position
            cycle, instruction = last_cycle, min(last, max(self._history.next_count, here.instructions + 1))
            if self._done < len(self._deeds):
                due = self._deeds[self._done].position
                if here.cycles < due.cycles:
                    cycle = min(cycle, due.cycles)
                else:
                    instruction = min(instruction, here.instructions + 1)   # what is left up to there takes no time
            result = self.machine.run(
                max_cycles=None if cycle >= NEVER else cycle - here.cycles,
                max_instructions=None if instruction >= NEVER else max(instruction - here.instructions, 0),
                **stops.arguments())
            if result.reason == Reason.INSTRUCTIONS and self.position.instructions > here.instructions:
                self._step_end = self.position
            self._arrive()
            here = self.position
            if (result.reason not in LIMITS or (result.reason == Reason.CYCLES and here.cycles >= last_cycle)
                    or (result.reason == Reason.INSTRUCTIONS and here.instructions >= last)):
                return result
            if self._stands_at(stops):
                return replace(result, reason=Reason.UNTIL, detail="")

    def _arrive(self) -> None:
        """The machine stands somewhere: do what was done here, and take a snapshot if one is due."""
        here = self.position
        while self._done < len(self._deeds) and self._deeds[self._done].position == here:
            self._done += 1
            self._deeds[self._done - 1].action(self.machine)
        self._farthest = max(self._farthest, here)
        if here == self._step_end and here.instructions >= self._history.next_count:
            self._history.add(self._moment())

    def _stands_at(self, stops: Stops) -> bool:
        """True if the machine would have stopped here: in front of one of these instructions, with nothing before it.
        A run that begins here does not stop.
        """
        cpu, state = self.machine.cpu, self.machine.cpu.state
        here = cpu.linear_eip
        return (here in stops.addresses and state.repeating != here and not self.machine.halted
                and not (state.intr and cpu.accepts_interrupts))

    def _last_stop(self, end: Position, inclusive: bool, stops: Stops) -> Position | None:
        """Run up to `end`: the last stop on the way, the one at `end` if `inclusive`."""
        found = None
        while (here := self.position) < end:
            if here.cycles < end.cycles:
                result = self._advance(end.cycles, NEVER, stops)
            else:
                result = self._advance(NEVER, here.instructions + 1, stops)
            before, here = here, self.position
            if here > end or here == before:
                break
            met = stops.met(result) or stops.single or self._stands_at(stops)
            if met and (here < end or inclusive) and self._holds(stops):
                found = here
        return found

    def _go(self, wanted: Position) -> bool:
        """Go to a position; False if the machine never stands there."""
        self._go_before(wanted, wanted.instructions - NEAR // 2)
        while (here := self.position) < wanted:
            at_cycle = here.cycles < wanted.cycles      # else what is left up to there takes no time
            if not self._reach(wanted.cycles if at_cycle else NEVER, NEVER if at_cycle else here.instructions + 1):
                return False
        return self.position == wanted

    def _go_to_count(self, instructions: int, limit: Position) -> Position:
        """Go to where that many instructions have been retired, as `step` would stop there, or to the start; `limit` is
        not before it, and where there is no such place before it, the machine ends up behind `limit`.
        """
        if instructions <= self.start.instructions:
            self._restore(self._history.first)
            return self.position
        self._go_before(limit, instructions - NEAR // 2, instructions)
        self._reach(NEVER, instructions)
        return self.position

    def _go_before(self, limit: Position, near: int, most: int = NEVER) -> None:
        """Stand somewhere not behind `limit`, nor behind the end of the step by which `most` instructions have been
        retired, and not far from there: leave a snapshot where `near` have been, if that is far from all others.
        """
        best = self._history.before(limit, most)
        if self._near and best.position < self._near.position <= limit and self._near.position.instructions <= most:
            best = self._near
        here = self.position
        near_enough = here.instructions < most or (here.instructions == most and here == self._step_end)
        if not best.position <= here <= limit or not near_enough:
            self._restore(best)
        if near - self.position.instructions > NEAR:
            self._reach(NEVER, near)
            self._near = self._moment()

    def _reach(self, last_cycle: int, last: int) -> bool:
        """Run to a cycle or an instruction count, whatever stops the run before; False if it ends before."""
        while True:
            before = self.position
            if self._advance(last_cycle, last).reason in LIMITS:
                return True
            if self.position == before:
                return False

    def _moment(self) -> Moment:
        return Moment(self.position, self.machine.snapshot(), self._done, [tape.next for tape in self._tapes])

    def _restore(self, moment: Moment) -> None:
        self.machine.restore(moment.snapshot)
        self._done = moment.done
        for tape, at in zip(self._tapes, moment.tapes + [0] * len(self._tapes), strict=False):
            tape.next = at
        self._arrive()

    def _mute(self) -> None:
        """Let the machine's listeners hear each byte of output once."""
        machine = self.machine
        self._heard = len(machine.console), len(machine.debug_console)
        serial, debug = machine.serial, machine.debug

        def hear_serial(byte: int) -> None:
            if len(machine.console) > self._heard[0]:
                self._heard = len(machine.console), self._heard[1]
                if serial:
                    serial(byte)

        def hear_debug(byte: int) -> None:
            if len(machine.debug_console) > self._heard[1]:
                self._heard = self._heard[0], len(machine.debug_console)
                if debug:
                    debug(byte)

        machine.serial, machine.debug = hear_serial, hear_debug
