"""The Pentium's pipeline: two pipes, U and V, in order, two instructions at a time if they pair.

The rules are those of Intel 241430 (Pentium Processor Family Developer's Manual, volume 3, chapter on optimization):

- which pipe an instruction may go to is the profile's (`pairing`); a prefix keeps it out of V, and one with
  displacement and immediate or of more than seven bytes goes alone;
- two pair if the first may go to U and the second to V, the second neither reads nor writes what the first writes, and
  both together are not too long. Flags do not count: only Jcc reads them in V. Neither does ESP between two pushes
  (a call pushes) or two pops;
- an address register that the cycle before wrote costs a cycle of waiting; what pushes, pops and string instructions
  do to their pointers does not count;
- prefixes are decoded while the instruction before is in its second cycle or later, and cost what is left of them;
- two accesses of a pair to the same bank of the data cache cost a cycle: here, to addresses that differ by a multiple
  of 32 bytes as written.

What a pair costs is the profile's (`pairs`), by whether each half works on registers, reads memory or changes it; one
that finds no partner costs what it does with one on registers. `instructions` has what goes alone, and branches. Not
modelled: FXCH in the V pipe, and bank conflicts through different registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from emu.decoding import Instruction
from emu.timing.classes import WITH_OPERAND, class_of, priced_as
from emu.timing.effects import FLAGS, POINTERS, Effects, effects_of
from emu.timing.operands import Operand, operands
from emu.timing.ticks import TICKS, ticks
from emu.timing.timing import Timing

LEGACY_PREFIXES = frozenset(bytes.fromhex("f0 f2 f3 2e 36 3e 26 64 65 66 67"))
LONGEST = 7                         # bytes of an instruction that pairs
BRANCHES = {"jmp_near", "jcc", "call_near"}
ROTATIONS = {"rol", "ror", "rcl", "rcr"}            # of which only those by 1 pair
BANKS = 32                          # bytes after which the banks of the data cache repeat


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction on its way through the pipeline; times in ticks."""

    pipe: str                       # UV, PU, PV or NP
    form: str                       # reg, rm, rmw or branch: what it does in a pair
    alone: int                      # time that it takes alone
    late: int                       # time by which its result comes after that
    prefixes: int                   # time of decoding its prefixes
    size: int                       # bytes
    reads: frozenset[str]           # registers it needs to begin, those of its address included
    address: frozenset[str]         # of these, those of its address; ESP if it pushes or pops
    writes: frozenset[str]          # registers that it writes by name
    stack: int                      # 1: it pushes, -1: it pops
    memory: Operand | None          # its operand in memory


class InOrder:
    """Prices runs of instructions without transitions, for a profile of kind `p5`."""

    def __init__(self, timing: Timing) -> None:
        assert timing.pairs is not None and timing.pairing is not None
        self._timing = timing
        self._agi = ticks(timing.pipeline.agi)
        self._longest_pair = ticks(timing.pipeline.pair_bytes) // TICKS
        self._pairs = {name: ticks(figure) for name, figure in timing.pairs.items()}
        self._step = lru_cache(maxsize=1 << 14)(self._make_step)

    def run(self, instructions: Sequence[Instruction], repeats: bool = False, drained: bool = False) -> list[int]:
        """Ticks from the start of the run to the end of each instruction; the second of a pair ends with the pair.

        `repeats`: the run is a loop, and what its end wrote is fresh at its beginning. `drained` means nothing here:
        the pipeline is always empty behind the last instruction.
        """
        steps = [self._step(each.mnemonic, each.operands, each.size, _prefixes(each)) for each in instructions]
        fresh: frozenset[str] = frozenset()
        if repeats:
            _, fresh = self._walk(steps, fresh)
        return self._walk(steps, fresh)[0]

    def uops(self, instruction: Instruction) -> int:
        """None: the pipes execute instructions."""
        return 0

    def _walk(self, steps: list[Step], fresh: frozenset[str]) -> tuple[list[int], frozenset[str]]:
        """When each ends, and what the last cycle wrote; `fresh` is what the cycle before the first wrote."""
        ends: list[int] = []
        ready: dict[str, int] = {}      # when results come that are late
        now = index = decoded = 0       # decoded: when the decoders are free for prefixes
        while index < len(steps):
            first = steps[index]
            second = steps[index + 1] if index + 1 < len(steps) else None
            if second and not self._pair(first, second):
                second = None
            group = (first, second) if second else (first,)
            begin = max([now, *(ready.get(name, 0) for each in group for name in each.reads)])
            if any(each.address & fresh for each in group):
                begin += self._agi
            begin = max(begin, decoded + first.prefixes)
            ends.append(begin + first.alone)
            if second:
                ends.append(begin + max(first.alone, self._together(first, second)))
            now = ends[-1]
            decoded = min(now, begin + TICKS)
            fresh = frozenset().union(*(each.writes for each in group))
            ready.update((name, now + first.late) for name in first.writes if first.late)
            index += len(group)
        return ends, fresh

    def _together(self, first: Step, second: Step) -> int:
        """Time of two instructions that pair."""
        return self._pairs[f"{first.form}_{second.form}"] + _same_bank(first.memory, second.memory) * TICKS

    def _pair(self, first: Step, second: Step) -> bool:
        """Whether two instructions go together."""
        return (first.pipe in ("UV", "PU") and first.form != "branch" and second.pipe in ("UV", "PV")
                and first.size + second.size <= self._longest_pair
                and not first.writes & (second.reads | second.writes)
                and first.stack * second.stack >= 0
                and not (first.stack and "esp" in second.reads | second.writes))

    def _make_step(self, mnemonic: str, text: str, size: int, prefixes: int) -> Step:
        instruction = Instruction(0, size, mnemonic, text)
        effects, name = effects_of(instruction), instruction.name
        kind = priced_as(class_of(instruction) or "other", self._timing.instructions)
        assert self._timing.pairing is not None
        pipe, form = self._timing.pairing[kind].value, _form(kind)
        alone, late = self._times(kind, form, pipe, effects)
        stack = bool(effects.pushed) - bool(effects.popped)
        pointers = {"esp"} if stack else set(POINTERS.get(name[:-1], ()))
        return Step(_pipe(pipe, name, operands(text), effects, size, prefixes), form, alone, late,
                    prefixes * ticks(self._timing.pipeline.prefix), size,
                    frozenset(effects.reads + effects.address) - {FLAGS},
                    frozenset(effects.address + ("esp",) * bool(stack)),
                    frozenset(effects.writes) - {FLAGS} - pointers, stack, effects.load or effects.store)

    def _times(self, kind: str, form: str, pipe: str, effects: Effects) -> tuple[int, int]:
        """Time that an instruction takes alone, and by which its result comes later than that."""
        if pipe != "NP" and form != "branch":
            return self._pairs[f"{form}_reg"], 0
        cost = self._timing.instructions[kind]
        alone = ticks(cost.throughput)
        late = max(0, ticks(cost.latency) - alone) if kind.startswith("fp_") else 0
        if kind in WITH_OPERAND and (effects.load or effects.store):
            alone += ticks(self._timing.caches.l1d.latency) - TICKS
        return alone, late


def _same_bank(first: Operand | None, second: Operand | None) -> bool:
    """Whether two operands lie in the same of the eight banks, as far as their text tells."""
    if first is None or second is None or first.place[:-1] != second.place[:-1]:
        return False
    return (int(first.displacement or "0", 0) - int(second.displacement or "0", 0)) % BANKS == 0


def _form(kind: str) -> str:
    return "branch" if kind in BRANCHES else "rmw" if kind.endswith("_mr") else "rm" if kind.endswith("_rm") else "reg"


def _pipe(pipe: str, name: str, given: tuple[Operand, ...], effects: Effects, size: int, prefixes: int) -> str:
    """Where this instruction of its class may go."""
    immediate = any(each.immediate for each in given) and name[0] != "j" and name != "call"
    displaced = any(each.memory and each.displacement for each in given)
    if size > LONGEST or (immediate and displaced):
        return "NP"
    if name in ("neg", "not") or (name in ROTATIONS and len(given) > 1 and given[1].text != "1"):
        return "NP"
    if effects.store and len(given) > 1 and given[1].text == "cl" and name.startswith("s"):     # a shift of memory
        return "NP"
    if name == "test" and immediate and given[0].name != "eax":
        return "NP"
    if prefixes:
        return {"UV": "PU", "PV": "NP"}.get(pipe, pipe)
    return pipe


def _prefixes(instruction: Instruction) -> int:
    """How many prefixes are decoded ahead of the instruction; LOCK and REP are in the figures of what has them."""
    if instruction.detail is None:
        return 0
    count = 0
    for byte in instruction.detail.bytes:
        if byte not in LEGACY_PREFIXES:
            break
        count += 1
    return count - (count > 0 and instruction.mnemonic != instruction.name)
