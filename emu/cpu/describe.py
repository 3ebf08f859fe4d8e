"""What a new block is: decoded, priced, and with the program that derives its accesses.

Under a `unit` profile a block is its instructions, a cycle each. Under a timing model each is priced by the profile,
and the program fetches code line by line between the accesses to data, in the order in which the processor needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import chain

import numpy as np

from emu.cpu.block_store import BlockStore, Plan
from emu.cpu.blocks import Description
from emu.cpu.derivation import Op, Step, Value
from emu.cpu.effects import derive
from emu.cpu.program import pack
from emu.cpu.state import State
from emu.decoding import Instruction, decode, decode_detail, pad
from emu.timing.model import TimingModel
from emu.timing.pricing import Price, Pricer, string_of, transition_of
from emu.timing.profile import Profile
from emu.timing.timing import Timing

STRINGS = ("", "rep_movs", "rep_stos", "rep_lods", "repe_cmps", "repne_scas", "ins", "outs")     # see `Description`
ACCESSES = {                # how many accesses to memory a step makes at most
    Op.FETCH: 0, Op.ACCESS: 2, Op.LOAD: 1, Op.KEEP: 2, Op.DESCRIPTOR: 2, Op.RETURN_FAR: 6, Op.CALL_FAR: 80,
    Op.JUMP_FAR: 80,
}


@lru_cache(maxsize=1 << 14)              # machine after machine runs the same kernels
def describe_unit(code: bytes, address: int, bits: int) -> Description:
    """A block under a `unit` profile."""
    instructions = pad(decode(code, address, bits), code, address)
    count = len(instructions)
    return Description(instructions, Price(tuple(range(1, count + 1)), (0,) * count, (0,) * count))


class Describer:
    """Describes blocks under a timing model."""

    def __init__(self, state: State, profile: Profile, model: TimingModel, store: BlockStore) -> None:
        """`state` is what the programs refer to: its `env` and `temporaries` are set."""
        assert profile.timing is not None
        self._state = state
        self._model = model
        self._pricer = Pricer(profile)
        timing = profile.timing
        trace = timing.caches.trace
        self._trace_line = int(trace.line.typical) if trace else 0
        self._line = 1 << model.record.l1i_shift
        self._costs = string_costs(timing)
        state.string_costs = self._costs.ctypes.data
        self._far = int(max(figure.maximum for figure in timing.transitions.values()))
        self._least = model.worst_branch + int(self._costs.max())
        self._store = store

    def __call__(self, code: bytes, address: int, bits: int) -> Description:
        """The block that `code` at linear `address` is."""
        plan = self._store.get(code, address, bits)
        if plan is None:
            plan = self.plan(code, address, bits)
            self._store.put(code, address, bits, plan)
        return plan.block._replace(program=pack(plan.steps, self._state))

    def plan(self, code: bytes, address: int, bits: int) -> Plan:
        """The block and its program, worked out anew."""
        instructions = pad(decode_detail(code, address, bits), code, address)
        price = self._pricer.price(instructions)
        steps = derive(instructions, bits)
        fetches = self._trace_lines(instructions, price) if self._trace_line else self._lines(instructions)
        program = merge(steps, fetches)
        string, size = string_kind(instructions[-1])
        loads, stores = sum(step.reads for step in program), sum(step.writes for step in program)
        return Plan(Description(instructions, price, b"", self._worst(program), string, size, loads, stores), program)

    def _lines(self, instructions: Sequence[Instruction]) -> list[Step]:
        """A step for each line of the instruction cache, at the first instruction that needs it."""
        start, seen = instructions[0].address, -1
        steps = []
        for at, each in enumerate(instructions):
            first, last = each.address // self._line, (each.address + max(each.size, 1) - 1) // self._line
            for line in range(max(first, seen + 1), last + 1):
                steps.append(_fetch(at, max(line * self._line, start) - start, 1))
                seen = line
        return steps

    def _trace_lines(self, instructions: Sequence[Instruction], price: Price) -> list[Step]:
        """A step for each line of the trace cache: as many instructions as their micro-ops fit."""
        steps: list[Step] = []
        begin = 0
        for at in range(1, len(instructions) + 1):
            before = price.uops[begin - 1] if begin else 0
            if at == len(instructions) or price.uops[at] - before > self._trace_line:
                steps.append(_fetch(begin, instructions[begin].address - instructions[0].address, at - begin))
                begin = at
        return steps

    def _worst(self, program: Sequence[Step]) -> int:
        """Cycles that the block may take beyond its price, whatever it misses."""
        model = self._model
        cycles = self._least
        for step in program:
            cycles += model.worst_fetch if step.op == Op.FETCH else ACCESSES.get(step.op, 0) * model.worst_access
            if step.op in (Op.RETURN_FAR, Op.CALL_FAR, Op.JUMP_FAR):
                cycles += self._far
            if step.op == Op.EMPTY:
                cycles += model.worst_empty
        return cycles


def _fetch(at: int, offset: int, size: int) -> Step:
    """The step that fetches code `offset` bytes into the block."""
    return Step(Op.FETCH, at, size, base=Value(-1, offset))


def merge(steps: Sequence[Step], fetches: Sequence[Step]) -> list[Step]:
    """The steps of a program in order, of each instruction the fetches first; none behind the last step."""
    end = steps[-1]
    wanted = [fetch for fetch in fetches if fetch.at < end.at or (end.op == Op.STOP and end.at == 0)]
    return sorted(chain(wanted, steps), key=lambda step: step.at)


def string_kind(instruction: Instruction) -> tuple[int, int]:
    """Index in STRINGS and width (0 bytes, 1 words, 2 doublewords) of a REP string instruction; (0, 0) for others."""
    found = string_of(instruction)
    if found:
        return STRINGS.index(found[0]), found[1].bit_length() - 1
    family = transition_of(instruction)
    if family in ("rep ins", "rep outs"):
        return STRINGS.index(family.split()[1]), "bwd".index(instruction.name[-1])
    return 0, 0


def string_costs(timing: Timing) -> np.ndarray:
    """For native code, by STRINGS: cycles once; 1/100 cycles of an iteration on bytes, on words, on doublewords."""
    table = np.zeros((len(STRINGS), 4), np.int64)
    for row, name in enumerate(STRINGS[1:], 1):
        if name in timing.strings:
            cost = timing.strings[name]
            table[row] = [round(cost.setup.typical), *(round(each.typical * 100) for each in
                                                      (cost.byte, cost.word, cost.dword))]
        else:
            table[row] = [0] + [round(timing.transitions[name].typical * 100)] * 3
    return table


Describe = Callable[[bytes, int, int], Description]
