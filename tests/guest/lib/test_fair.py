"""Fair queueing of the processor: lib/fair.asm does what a list that is searched from its beginning would."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st

from emu.machine import Machine
from emu.result import Reason
from guest import abi
from guest.abi.fair import FAIR, FairTime
from loader.assembler import assemble
from loader.linker import Program, link

GUEST = Path(abi.__file__).parents[1]
TOP = 0x10000
COUNT = 8                       # as in fair_double.asm
WORD = 1 << 32
CREDIT, GRAIN = int(FairTime.FAIR_CREDIT), int(FairTime.FAIR_GRAIN)
OVERHEAD = 2000                 # cycles that a call takes, at most, with whatever it takes to make it


@cache
def program() -> Program:
    """The library, linked with its double."""
    files = (GUEST / "lib" / "fair.asm", Path(__file__).with_name("fair_double.asm"))
    return link([assemble(file, constants=abi.constants(), include=[GUEST]) for file in files], base=0x100000,
                entry="start")


class Fair:
    """A machine with the library, and beside it what it ought to do."""

    def __init__(self) -> None:
        self.machine = Machine()
        for segment in program().segments:
            self.machine.ram.write(segment.physical, segment.data)
        self.symbols = program().symbols
        self.queue: list[tuple[int, int]] = []          # (virtual time, which), in order
        self.virtual = [0] * COUNT
        self.now = 0
        self.running: int | None = None
        self.waiting = set(range(COUNT))

    def _at(self, which: int) -> int:
        return self.symbols["fairs"] + which * FAIR.size

    def _call(self, routine: str, which: int = 0) -> tuple[int, bool]:
        state = self.machine.cpu.registers
        state.eax, state.ebx, state.esi, state.edi, state.ebp = self._at(which), 1, 2, 3, 4
        self.machine.ram.write(TOP - 4, self.symbols["back"].to_bytes(4, "little"))
        state.esp, state.eip = TOP - 4, self.symbols[routine]
        result = self.machine.run(max_cycles=100_000, until=self.symbols["back"])
        assert result.reason == Reason.UNTIL
        assert (state.esp, state.ebx, state.esi, state.edi, state.ebp) == (TOP, 1, 2, 3, 4)
        return state.eax, bool(state.eflags & 1)

    def _fair(self, which: int) -> SimpleNamespace:
        return FAIR.decode(bytes(self.machine.ram.read(self._at(which), FAIR.size)))

    def _insert(self, which: int) -> None:
        at = len([one for one in self.queue if one[0] <= self.virtual[which]])
        self.queue.insert(at, (self.virtual[which], which))

    def wake(self, which: int) -> None:
        """One that waits wants the processor."""
        self.waiting.remove(which)
        self._call("fair_wake", which)
        self.virtual[which] = max(self.virtual[which], self.now - CREDIT, 0)
        self._insert(which)

    def take(self) -> None:
        """The next one gets it."""
        eax, _ = self._call("fair_take")
        if not self.queue:
            assert eax == 0
            return
        virtual, which = self.queue.pop(0)
        assert eax == self._at(which)
        self.now = max(self.now, virtual)
        before = self.machine.clock.now
        self._call("fair_run", which)
        fair = self._fair(which)
        assert before <= fair.since + fair.since_high * WORD <= self.machine.clock.now
        self.running = which

    def pass_time(self, cycles: int) -> None:
        """The running one has run for so long, and has had to be stopped by nobody."""
        assert self.running is not None
        fair = self._fair(self.running)
        since = (fair.since + fair.since_high * WORD - cycles) % (1 << 64)
        self.machine.ram.write(self._at(self.running) + FAIR.offsets["since"], since.to_bytes(8, "little"))

    def better(self) -> None:
        """Is somebody else to run? Where that is near the border, the machine may say either."""
        assert self.running is not None
        _, carry = self._call("fair_better", self.running)
        fair = self._fair(self.running)
        ran = (self.machine.clock.now - fair.since - fair.since_high * WORD) % (1 << 64)
        behind = self.virtual[self.running] + ran - GRAIN - self.queue[0][0] if self.queue else -1
        if behind <= 0 or behind > OVERHEAD:
            assert carry == (behind > 0)

    def stop(self) -> int:
        """The running one stops; it has been charged for what it had."""
        which = self.running
        assert which is not None
        fair = self._fair(which)
        ran = (self.machine.clock.now - fair.since - fair.since_high * WORD) % (1 << 64)
        self._call("fair_stop", which)
        after = self._fair(which)
        virtual = after.virtual + after.virtual_high * WORD
        assert ran <= virtual - self.virtual[which] <= ran + OVERHEAD
        self.virtual[which], self.running = virtual, None
        return which

    def ready(self) -> None:
        """The running one is preempted."""
        which = self.stop()
        self._call("fair_ready", which)
        self._insert(which)

    def yields(self) -> None:
        """The running one lets all others run first."""
        which = self.stop()
        self._call("fair_yield", which)
        self.virtual[which] = max([self.virtual[which], *(one[0] for one in self.queue)])
        self._insert(which)

    def check(self) -> None:
        """The queue is as it ought to be."""
        listed, at = [], self._word("fair_first")
        while at:
            listed.append((at - self.symbols["fairs"]) // FAIR.size)
            at = self._fair(listed[-1]).next
        assert listed == [which for _, which in self.queue]
        for virtual, which in self.queue:
            fair = self._fair(which)
            assert fair.virtual + fair.virtual_high * WORD == virtual
        assert self._word("fair_now") + self._word("fair_now_high") * WORD == self.now

    def _word(self, symbol: str) -> int:
        return int.from_bytes(bytes(self.machine.ram.read(self.symbols[symbol], 4)), "little")


TIMES = st.one_of(st.integers(0, 3 * CREDIT), st.integers(GRAIN - 3000, GRAIN + 3000), st.integers(0, 1 << 36))


@given(st.lists(st.tuples(st.sampled_from(["wake", "run", "preempt", "yield", "wait", "better"]), TIMES), max_size=60))
@settings(max_examples=25, deadline=None)
def test_it_does_what_a_plain_list_would(history: list[tuple[str, int]]) -> None:
    fair = Fair()
    for what, number in history:
        if what == "wake" and fair.waiting:
            fair.wake(sorted(fair.waiting)[number % len(fair.waiting)])
        elif what == "run" and fair.running is None:
            fair.take()
        elif fair.running is not None:
            fair.pass_time(number)
            if what == "preempt":
                fair.ready()
            elif what == "yield":
                fair.yields()
            elif what == "wait":
                fair.waiting.add(fair.stop())
            else:
                fair.better()
        fair.check()


def test_two_that_always_want_it_share_it_however_long_they_are_let_run() -> None:
    fair = Fair()
    had = [0, 0]
    fair.wake(0)
    fair.wake(1)
    for turn in range(200):
        fair.take()
        assert fair.running is not None
        cycles = 1_000_000 * (1 + turn * 7 % 5)
        had[fair.running] += cycles
        fair.pass_time(cycles)
        fair.ready()
    assert abs(had[0] - had[1]) < 6_000_000


def test_who_has_waited_runs_next_but_does_not_get_what_it_did_not_want() -> None:
    fair = Fair()
    fair.wake(0)
    for _ in range(10):
        fair.take()
        fair.pass_time(8 * CREDIT)
        fair.ready()
    fair.wake(1)
    had = 0
    while True:
        fair.take()
        if fair.running == 0:
            break
        fair.pass_time(GRAIN)
        had += GRAIN
        fair.ready()
    assert CREDIT <= had <= 9 * CREDIT + 2 * GRAIN      # up to where the other one is
