"""What the machine has counted since power-on: time by its causes, and what the processor and its devices did.

Native code counts as it runs; here it is gathered when somebody asks. What a path costs is the difference of two
readings, one at each end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from emu.cpu.cpu import Cpu
from emu.cpu.state import Crossing

CAUSES = ("pipeline", "transition", "cache", "tlb", "branch", "bus")


@dataclass(frozen=True)
class Counters:
    """A reading of every counter. `after - before` is what was counted between two readings.

    Times are in cycles of the processor's clock; `idle_cycles` and those of the six CAUSES add up to `cycles` exactly.
    A cause is charged what it costs beyond a pipeline whose first caches and TLBs hit and whose branches are predicted
    right. Where the profile has no such thing (a `unit` has no memory system, a Pentium no micro-ops), counters are 0.
    """

    cycles: int = 0                 # the clock
    idle_cycles: int = 0            # halted
    pipeline_cycles: int = 0        # executing instructions, iterations of REP included
    transition_cycles: int = 0      # what has a published price of its own: crossings, control registers, ...
    cache_cycles: int = 0           # waiting for lines of code and data, and for the store buffer
    tlb_cycles: int = 0             # waiting for page walks and second TLBs
    branch_cycles: int = 0          # lost to branches predicted wrong, or too late
    bus_cycles: int = 0             # device accesses and interrupt acknowledge on the bus
    instructions: int = 0           # retired
    uops: int = 0                   # micro-ops of these (K7: macro-ops)
    loads: int = 0                  # reads of data by instructions
    stores: int = 0                 # writes
    l1d_misses: int = 0             # lines of data, those that page walks read included, not in the first data cache
    l1i_misses: int = 0             # lines of code not in the first code cache
    trace_misses: int = 0           # lines of micro-ops not in the trace cache
    l2_misses: int = 0              # lines of any kind not in the second cache
    memory_accesses: int = 0        # reads of memory, and writes that no cache took
    writebacks: int = 0             # dirty lines written to memory
    dtlb_misses: int = 0            # translations of data not in the first TLB
    itlb_misses: int = 0            # translations of code not in the first TLB
    walks: int = 0                  # page walks
    branches: int = 0               # near branches of all kinds
    mispredictions: int = 0         # predicted wrong
    misfetches: int = 0             # predicted right, but only when they were decoded
    io_accesses: int = 0            # accesses to ports, and to devices in memory
    traps: Mapping[int, int] = field(default_factory=dict)      # vector -> exceptions, INT and interrupts delivered
    irqs: Mapping[int, int] = field(default_factory=dict)       # line -> external interrupts accepted
    crossings: Mapping[str, int] = field(default_factory=dict)  # kind -> changes of the ring that are not traps

    @property
    def causes(self) -> dict[str, int]:
        """Cycles by the names in CAUSES."""
        return {cause: getattr(self, f"{cause}_cycles") for cause in CAUSES}

    def __sub__(self, before: Counters) -> Counters:
        """What was counted since `before`, an earlier reading of the same machine."""
        return Counters(**{name: _difference(value, getattr(before, name)) for name, value in vars(self).items()})

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON, in which the keys of objects are strings."""
        return {name: {str(key): count for key, count in value.items()} if isinstance(value, dict) else value
                for name, value in asdict(self).items()}


KINDS = [kind.name.lower() for kind in Crossing]    # by number
EVENTS = frozenset(vars(Counters()))                # what of the timing model's counters has a place here


def read(cpu: Cpu, idle_cycles: int, irqs: Sequence[int]) -> Counters:
    """The counters of a machine, given those that lie outside the processor."""
    state, model = cpu.state, cpu.costs.model
    stalls = {f"{cause}_cycles": getattr(state, f"{cause}_cycles") for cause in CAUSES[1:]}
    events = {name: count for name, count in model.counters().items() if name in EVENTS} if model else {}
    return Counters(
        cycles=state.cycles, idle_cycles=idle_cycles, pipeline_cycles=state.cycles - idle_cycles - sum(stalls.values()),
        instructions=state.instructions, uops=state.uops, io_accesses=state.io_accesses,
        traps={vector: int(cpu.traps[vector]) for vector in cpu.traps.nonzero()[0].tolist()},
        irqs={line: count for line, count in enumerate(irqs) if count},
        crossings={name: count for name, count in zip(KINDS, state.crossings, strict=False) if count},
        **stalls, **events)


def _difference(after: Any, before: Any) -> Any:
    if isinstance(after, int):
        return after - before
    return {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key, 0)}
