"""P6, K7 and NetBurst: micro-ops out of order. Bounds, in the manner of llvm-mca and uiCA, not a simulation.

A run of instructions takes at least as long as each of these:

- the front end: decoders (P6 4-1-1, K7 three DirectPath, microcode alone), bytes fetched, micro-ops issued;
- each unit: an instruction occupies the one of its class for its published throughput, others for one operation
  (the divider counts as waiting: what follows has no use for it);
- what waits for each other: registers, flags and memory, with published latencies.

The price is the largest of them. How much of the third counts, is decided by what follows the run:

- A loop (a block that ends with a jump to its own start) repeats: what counts is how much an iteration delays the next.
- Anything else stands in a stream of work that does not depend on it. While it is under way, a window full of micro-ops
  behind it is taken in; what counts is what it takes beyond that. So a division costs what sticks out.
- Before what empties the pipeline (`drained`) nothing is taken in, and all of it counts.

Limits: what follows is taken not to depend on the run, so a chain of dependences through several blocks is too cheap;
instructions queue for a unit in program order; ports are not told apart but for one that does what not every one can;
partial registers wait for the whole one; stores wait for nobody.
"""

from __future__ import annotations

from collections.abc import Sequence

from emu.decoding import Instruction
from emu.timing.dataflow import Dataflow, recurrence
from emu.timing.figures import Kind
from emu.timing.operations import Operation, Operations
from emu.timing.ticks import TICKS, ticks
from emu.timing.timing import Timing


class OutOfOrder:
    """Prices runs of instructions without transitions, for a profile of kind `p6`, `k7` or `netburst`."""

    def __init__(self, timing: Timing, kind: Kind) -> None:
        pipeline = timing.pipeline
        self._operations = Operations(timing, kind)
        self._issue = ticks(pipeline.issue_width) // TICKS
        self._retire = ticks(pipeline.retire_width) // TICKS
        self._decode = ticks(pipeline.decode_width) // TICKS        # 0: decoded long before
        self._fetch = ticks(pipeline.fetch_bytes) // TICKS          # 0: likewise
        self._window = ticks(pipeline.window) // TICKS

    def run(self, instructions: Sequence[Instruction], repeats: bool = False, drained: bool = False) -> list[int]:
        """Ticks from the start of the run to the end of each instruction.

        `repeats`: the run is a loop. `drained`: the pipeline is emptied behind it.
        """
        operations = [self._operations.of(each) for each in instructions]
        issued = self._front_end(operations, repeats)
        retired = self._schedule(operations, issued)
        busy = self._units(operations)
        if repeats:
            waiting = max(recurrence(operations), busy.get("divider", 0))
        else:
            waiting = retired[-1] - (0 if drained else self._window * TICKS // self._issue)
        total = max(issued[-1], waiting, *(time for unit, time in busy.items() if unit != "divider"))
        return [total * each // retired[-1] for each in retired]

    def uops(self, instruction: Instruction) -> int:
        """Its micro-ops; of a transition as few as microcode can be."""
        return self._operations.of(instruction).uops

    def _front_end(self, operations: list[Operation], repeats: bool) -> list[int]:
        """When each instruction has been issued, if nothing but the front end holds it up."""
        found, fetched, issued, decoded, place = [], 0, 0, 0, 0         # place: decoders in use in this cycle
        for each in operations:
            fetched += each.size * TICKS // self._fetch if self._fetch else 0
            issued += each.microcode or each.uops * TICKS // self._issue
            if place and (each.microcode or each.complex or place == self._decode):
                decoded, place = decoded + TICKS, 0
            decoded += each.microcode
            place += bool(self._decode) and not each.microcode
            found.append(max(fetched, issued, decoded + (place * TICKS // self._decode if place else 0)))
        if repeats and place:                                   # nothing is decoded behind a jump in the same cycle
            found[-1] = max(found[-1], decoded + TICKS)
        return found

    def _units(self, operations: list[Operation]) -> dict[str, int]:
        """How long each unit is busy."""
        busy: dict[str, int] = {}
        for each in operations:
            for unit, time in each.units:
                busy[unit] = busy.get(unit, 0) + time
        return busy

    def _schedule(self, operations: list[Operation], issued: list[int]) -> list[int]:
        """When each instruction retires, if the run enters an empty machine.

        A unit works off what has been issued to it: one that waits for operands does not hold up another behind it.
        """
        flow = Dataflow()
        free: dict[str, int] = {}
        retired: list[int] = []
        entered: list[tuple[int, int]] = []                     # micro-ops up to each instruction, and its retirement
        uops = done = oldest = start = 0
        for each, end in zip(operations, issued, strict=True):
            uops += each.uops
            while oldest < len(entered) and entered[oldest][0] < uops - self._window:
                start = max(start, entered[oldest][1])          # the window is full until this one has gone
                oldest += 1
            begin = start
            for unit, time in each.units:
                queued = max(free.get(unit, 0), start)
                free[unit] = queued + time
                begin = max(begin, queued)
            done = max(done + each.uops * TICKS // self._retire, flow.step(each, begin), end)
            retired.append(done)
            entered.append((uops, done))
            start = max(start, end)
        return retired
