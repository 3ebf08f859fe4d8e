"""What `trapline diff` compares, and what it has found out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emu.monitor.compare.divergence import Comparison
    from emu.monitor.compare.inputs import Inputs
    from emu.monitor.compare.lockstep import Parting, Standing, StateChange
    from emu.monitor.paths.changes import CostChange
    from emu.monitor.trace.file import Trace
    from tools.machine_options import MachineOptions


@dataclass(frozen=True)
class Side:
    """One of the two."""

    letter: str                             # A or B
    trace: Trace
    options: MachineOptions | None          # how it can be run again; None if it cannot
    why_not: str = ""                       # ... and why
    was_recorded: bool = False              # it comes from a file


@dataclass
class Finding:
    """What has been found out."""

    a: Side
    b: Side
    comparison: Comparison
    last: int                                           # common events to be shown
    parting: Parting | None = None
    standings: dict[str, Standing] = field(default_factory=dict)    # without a parting, in front of the crossings
    inputs: tuple[Any, Any] | None = None               # the first that differ
    devices: tuple[Inputs, ...] = ()                    # who knows what is where; empty if nobody looked
    state: StateChange | None = None
    looked_at_state: bool = False
    costs: list[CostChange] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)    # for people: what could not be found out, and why

    @property
    def differs(self) -> bool:
        """True if there is a difference, if only one of state."""
        return self.comparison.differs or self.state is not None
