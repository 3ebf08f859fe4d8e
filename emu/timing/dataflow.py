"""Which value is there when: registers, flags and memory, through a run of instructions."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from emu.timing.operands import Operand
from emu.timing.operations import Operation

SETTLED, MEASURED = 2, 6            # iterations before a loop is taken to be steady, and then looked at


class Dataflow:
    """When values are there, in ticks.

    A store is found again by a load whose address is written with the same registers, scale and displacement while the
    registers hold the same; of ESP, pushes and pops are followed.
    """

    def __init__(self) -> None:
        self._ready: dict[str, int] = {}            # registers and flags
        self._stored: dict[Hashable, int] = {}      # data of stores, by place
        self._version: dict[str, int] = {}          # how often a register was written
        self._depth = 0                             # bytes pushed since ESP was written

    def step(self, operation: Operation, begin: int) -> int:
        """When the result of `operation` is there, if it may begin at `begin`."""
        ready, effects = self._ready, operation.effects
        at = begin
        for name in operation.address:
            at = max(at, ready.get(name, 0))
        start = begin
        for name in operation.reads:
            start = max(start, ready.get(name, 0))
        if operation.stack:
            at = max(at, ready.get("esp", 0))
            ready["esp"] = at + operation.stack
        if effects.load or effects.popped:
            place = self._place(effects.load) if effects.load else ("esp", self._version.get("esp", 0), -self._depth)
            start = max(start, at + operation.load, self._stored.get(place, -operation.forwarded) + operation.forwarded)
        elif not effects.store and not effects.pushed:
            start = max(start, at)
        done = start + operation.latency
        self._depth += effects.pushed - effects.popped
        if effects.store:
            self._stored[self._place(effects.store)] = done
        if effects.pushed:
            self._stored["esp", self._version.get("esp", 0), -self._depth] = done
        for name in effects.writes:
            ready[name] = done
            self._version[name] = self._version.get(name, 0) + 1
            if name == "esp":
                self._depth = 0
        return max(done, at)

    def values(self) -> dict[Hashable, int]:
        """When each value that there is was there."""
        return dict([*self._ready.items(), *self._stored.items()])

    def _place(self, operand: Operand) -> Hashable:
        """What is equal for equal addresses."""
        if operand.base == "esp" and not operand.index:
            return "esp", self._version.get("esp", 0), int(operand.displacement or "0", 0) - self._depth
        return operand.place, *(self._version.get(name, 0) for name in operand.address)


def recurrence(operations: Sequence[Operation]) -> int:
    """Ticks by which each iteration of a loop delays the next, for what one iteration computes from another."""
    flow = Dataflow()
    before: dict[Hashable, int] = {}
    for iteration in range(SETTLED + MEASURED):
        if iteration == SETTLED:
            before = flow.values()
        for each in operations:
            flow.step(each, 0)
    after = flow.values()
    return max((after[name] - before[name] for name in before), default=0) // MEASURED
