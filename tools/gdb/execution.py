"""Running the machine for gdb: up to a breakpoint, or for an instruction."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from emu.monitor.inspect.registers import sysenter
from emu.monitor.inspect.tables import thread_key
from emu.monitor.stops.watchpoints import Access, Hit, Watch, Watchpoints
from emu.monitor.travel.timeline import Timeline
from emu.result import Reason, Result
from tools.gdb.stops import INTERRUPTED, STEPPED, Context, Signal, Stopped, accessed, ended, here, interrupted

EVERY = range(256)          # vectors
LOOK = 0.02                 # seconds of the host between two looks at what gdb wants meanwhile


class GivenUp(Exception):
    """gdb has interrupted a run: the machine stands between two instructions."""


class Execution:
    """Runs a machine between two stops, along its timeline.

    `software` and `hardware` are the linear addresses of breakpoints; both kinds are the machine's own, memory is never
    patched. While it runs, `wants_stop` is asked every so often: true stops it.
    """

    def __init__(self, timeline: Timeline, wants_stop: Callable[[], bool]) -> None:
        self.machine = timeline.machine
        self.timeline = timeline
        self.watchpoints = Watchpoints(timeline)
        self.software: set[int] = set()
        self.hardware: set[int] = set()
        self.steps_into_interrupts = False
        self.stops_at_exit = False          # when the guest ends the machine, one can still look around and go back
        self._watches: dict[tuple[int, int, Access], Watch] = {}
        self._wants_stop = wants_stop
        self._next_look = 0.0
        self._before: set[int] = set()      # breakpoints when the machine was resumed last

    @property
    def breakpoints(self) -> set[int]:
        """Where the machine is to stop."""
        return self.software | self.hardware

    def watch(self, linear: int, size: int, access: Access) -> None:
        """Stop at accesses to memory. Raises ValueError if there is none. What is watched already stays so."""
        key = linear, size, access
        if key not in self._watches:
            self._watches[key] = self.watchpoints.add(linear, size, access)

    def unwatch(self, linear: int, size: int, access: Access) -> None:
        """Do so no more."""
        watch = self._watches.pop((linear, size, access), None)
        if watch:
            self.watchpoints.remove(watch)

    def forget(self) -> None:
        """Forget all breakpoints and watchpoints: gdb has gone."""
        self.software.clear()
        self.hardware.clear()
        for linear, size, access in list(self._watches):
            self.unwatch(linear, size, access)

    def resume(self) -> Stopped:
        """Run to the next stop. A breakpoint in front of the next instruction is one: gdb steps over it if it likes."""
        wanted = self._before = self.breakpoints
        if self.machine.cpu.linear_eip in wanted:
            return self.at_breakpoint()
        return self.attentively(lambda: self._stopped(*self._run(wanted)))

    def step(self, low: int = 0, high: int = 0) -> Stopped:
        """Run one instruction, and on while EIP is from `low` up to and without `high`.

        An interrupt that comes first runs its handler to the end, unless `steps_into_interrupts`. An exception of the
        instruction itself ends the step in front of the first instruction of its handler.

        gdb takes a breakpoint, or all, away to step over one. Those it had before hold all the same in what an
        interrupt runs: nothing is missed there, and a stop at one that has really been deleted gdb ignores.
        """
        wanted = self.breakpoints
        steps_over = self.machine.cpu.linear_eip in self._before - wanted
        elsewhere = wanted | self._before if steps_over else wanted
        self._before = elsewhere

        def go() -> Stopped:
            while True:
                stopped = self._step(elsewhere)
                eip = self.machine.cpu.linear_eip
                if stopped or not low <= eip < high or eip in wanted:
                    return stopped or STEPPED

        return self.attentively(go)

    def run_to(self, context: Context) -> Stopped | None:
        """Run until a thread is about to run that instruction: None, or another stop before."""
        stopped = self.attentively(lambda: self._come_back(context, self.breakpoints) or STEPPED)
        return None if stopped == STEPPED else stopped

    def attentively(self, go: Callable[[], Stopped]) -> Stopped:
        """Do that, and look meanwhile at what gdb wants. If it is interrupted in the past, the machine comes back."""
        start = self.timeline.position
        self.machine.on_turn = self._look
        try:
            return go()
        except GivenUp:
            self.machine.on_turn = None
            if self.timeline.position < start:
                self.timeline.goto(start)
            return INTERRUPTED
        finally:
            self.machine.on_turn = None

    def at_breakpoint(self) -> Stopped:
        """The stop in front of a breakpoint."""
        is_hardware = self.machine.cpu.linear_eip in self.hardware
        return Stopped(Signal.TRAP, "hwbreak:;" if is_hardware else "swbreak:;")

    def _look(self) -> None:
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK
            if self._wants_stop():
                raise GivenUp

    def _step(self, elsewhere: set[int]) -> Stopped | None:
        """One instruction of this thread: None, or the stop that came before it was done."""
        state, cpu = self.machine.cpu.state, self.machine.cpu
        while True:
            instructions, interrupts = state.instructions, state.interrupts
            base = cpu.registers.segment("cs").base
            result, hits = self._run(elsewhere, EVERY, 1)
            if hits or result.reason not in (Reason.INSTRUCTIONS, Reason.UNTIL, Reason.VECTOR):
                return self._stopped(result, hits)
            if state.interrupts == interrupts or self.steps_into_interrupts:
                return None
            if cpu.linear_eip in elsewhere:
                return self.at_breakpoint()
            is_done = state.instructions > instructions     # HLT: the interrupt came behind it
            stopped = self._come_back(interrupted(self.machine, base), elsewhere)
            if stopped or is_done:
                return stopped

    def _come_back(self, context: Context, wanted: set[int]) -> Stopped | None:
        """Run until the thread is there again: None, or another stop before.

        Another thread may run the same code, in a loop even. Then only an entry to the kernel can bring ours back, and
        it is of no use to stop before.
        """
        machine = self.machine
        while here(machine) != context:
            result, hits = self._run(wanted | {context.eip})
            if hits or result.reason != Reason.UNTIL:
                return self._stopped(result, hits)
            if here(machine) == context:
                break
            if result.eip in wanted:
                return self.at_breakpoint()
            if machine.cpu.cpl == 3 and thread_key(machine) != context.thread:
                result, hits = self._run(wanted | {sysenter(machine)["eip"]}, EVERY)
                if hits or result.eip in wanted or result.reason not in (Reason.UNTIL, Reason.VECTOR):
                    return self._stopped(result, hits)
        return None

    def _run(self, until: Collection[int], vectors: Collection[int] = (),
             most: int | None = None) -> tuple[Result, list[Hit]]:
        """Run up to an address, behind the delivery of a vector, or for so many instructions."""
        return self.watchpoints.run(until=until, vectors=vectors, max_instructions=most)

    def _stopped(self, result: Result, hits: list[Hit]) -> Stopped:
        """What the end of a run is to gdb."""
        if hits:
            return accessed(hits)
        return self.at_breakpoint() if result.reason == Reason.UNTIL else ended(result, self.stops_at_exit)
