"""A profile's figures, put where native code finds them: prices of transitions and bus cycles, and the timing model."""

from __future__ import annotations

import numpy as np

from emu.cpu import account, program, records
from emu.cpu.block_store import BlockStore
from emu.cpu.describe import Describe, Describer, describe_unit
from emu.cpu.glance import Glance
from emu.cpu.state import State
from emu.timing.figures import Number
from emu.timing.model import TimingModel
from emu.timing.profile import Profile

TRANSITIONS = {             # fields of State by the profile's names; INT and IRET instructions themselves are priced 0
    "int_outer": "cost_int_outer", "int_same": "cost_int_same",
    "exception": "cost_exception", "interrupt": "cost_interrupt",
    "iret_outer": "cost_iret_outer", "iret_same": "cost_iret_same",
    "ret_far_outer": "cost_retf_outer", "ret_far_same": "cost_retf_same",
    "call_far": "cost_call_far", "jmp_far": "cost_jmp_far",
    "call_gate_inner": "cost_gate_inner", "call_gate_same": "cost_gate_same",
}
BUS = ("isa_read", "isa_write", "pci_read", "pci_write", "inta")
UNIT_TRAP = 1               # cycles of an exception or interrupt under a `unit` profile; not 0, so that time passes
                            # even if a handler is interrupted before its first instruction


class Costs:
    """What things cost on one processor, and the state of its timing model."""

    def __init__(self, state: State, profile: Profile) -> None:
        """Fills in `state`, whose `env` is set. Raises ProfileError."""
        self.model: TimingModel | None = None
        self.glance: Glance | None = None
        self.describe: Describe = describe_unit
        self.store = BlockStore()
        self.block_hook = account.on_block
        timing = profile.timing
        if timing is None:
            state.cost_exception = state.cost_interrupt = UNIT_TRAP
            return
        for name, field in TRANSITIONS.items():
            setattr(state, field, round(timing.transitions[name].typical))
        for name in ("in", "out"):
            extra = timing.transitions[f"{name}_bitmap"].typical - timing.transitions[name].typical
            setattr(state, f"cost_{name}_bitmap", max(round(extra), 0))
        for name in BUS:
            figure: Number = getattr(timing.ports, name)
            setattr(state, f"bus_{name}", round(figure.typical * profile.clock / 1e9))
        from emu.cpu import hits, modelled  # compiled only if they are needed

        self.model = TimingModel(profile)
        self._records = np.zeros((records.RECORDS + 1) * records.RECORD_SIZE, np.uint8)
        self._temporaries = np.zeros(program.TEMPORARIES, np.uint64)
        self._kept = np.zeros(records.RECORDS * records.KEPT_ENTRY, np.uint8)
        state.model = self.model.address
        state.records = self._records.ctypes.data
        state.temporaries = self._temporaries.ctypes.data
        self._moved = np.zeros(4 * records.RECORDS * records.MOVED_ENTRY, np.uint8)
        state.kept = self._kept.ctypes.data
        state.moved = self._moved.ctypes.data
        self.glance = Glance(state, self.model.record)
        state.hits = hits.hits.address
        for function in ("open_block", "charge_part", "charge_from", "touch", "flush_model"):
            setattr(state, function, getattr(modelled, function).address)
        self.block_hook = modelled.on_block_modelled
        self.describe = Describer(state, profile, self.model, self.store)
