"""What the instructions of a block cost in the pipeline, before caches, TLBs and mispredictions add to it.

The price depends on the instructions and on the profile alone, so a block is priced once. It holds for first-level
caches and TLBs that hit and branches that are predicted right; what else happens is charged when it happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from emu.decoding import Instruction
from emu.timing.classes import class_of, string_of, transition_of
from emu.timing.figures import Kind
from emu.timing.inorder import InOrder
from emu.timing.outoforder import OutOfOrder
from emu.timing.profile import Profile
from emu.timing.ticks import TICKS, ticks
from emu.timing.vocabulary import STRINGS

__all__ = ["Price", "Pricer", "class_of", "string_of", "transition_of"]

# What empties an out-of-order pipeline: all transitions but these. (Intel SDM volume 3, serializing instructions; what
# crosses rings is taken to as well)
PASSING = {"mov_sreg", "mov_ss", "mov_from_sreg", "mov_from_cr", "mov_from_dr", "sgdt", "str", "lar", "verr", "smsw",
           "cli", "sti", "popf", "rdtsc", "rdmsr", "in", "out", "ins", "outs", "rep ins", "rep outs", *STRINGS}
LOOPING = {"jmp_near", "jcc", "jecxz", "loop"}          # classes of relative jumps


@dataclass(frozen=True)
class Price:
    """What a block costs: for each instruction a number, from the start of the block to the end of that instruction.

    What the processor decides at run time is 0 here: transitions of vocabulary.FAMILIES, and strings with REP. So is a
    transition that it does not have.
    """

    cycles: tuple[int, ...]             # all of them, those of `transitions` included
    transitions: tuple[int, ...]        # of these, the published costs of transitions
    uops: tuple[int, ...]               # micro-ops; 0 where the profile has none


class Pricer:
    """Prices blocks for one profile."""

    def __init__(self, profile: Profile) -> None:
        self._timing = profile.timing
        self._model = _model(profile)

    def price(self, instructions: Sequence[Instruction]) -> Price:
        """The price of a block, given its instructions (emu.decoding.decode_detail).

        A block that ends with a jump to its own start is a loop, and priced as one that runs often.
        """
        if self._timing is None or self._model is None:
            count = len(instructions)
            return Price(tuple(range(1, count + 1)), (0,) * count, (0,) * count)
        ends, crossings = [0], [0]              # ticks to the end of each instruction, and how many are transitions
        for name, part, emptied in _parts(instructions):
            if name is None:
                found = self._model.run(part, len(part) == len(instructions) and _repeats(part), emptied)
                found[-1] = max(found[-1], 1)           # figures of 0 do not stop the clock
                crossed = [0] * len(part)
            else:
                found = crossed = [ticks(self._timing.transitions.get(name))]
            ends += [ends[-1] + each for each in found]
            crossings += [crossings[-1] + each for each in crossed]
        return Price(_cycles(ends), _cycles(crossings), tuple(accumulate(map(self._model.uops, instructions))))


def _model(profile: Profile) -> InOrder | OutOfOrder | None:
    if profile.timing is None:
        return None
    return InOrder(profile.timing) if profile.kind is Kind.P5 else OutOfOrder(profile.timing, profile.kind)


def _parts(instructions: Sequence[Instruction]) -> Iterator[tuple[str | None, Sequence[Instruction], bool]]:
    """The block, cut into runs of instructions that the pipeline prices (None) and transitions, alone, by name.

    The third value is true of a run behind which the pipeline is emptied.
    """
    names = [_alone(each) for each in instructions]
    cuts = [index for index, name in enumerate(names) if name is not None or index == 0 or names[index - 1] is not None]
    for first, last in pairwise([*cuts, len(names)]):
        emptied = last < len(names) and names[last] not in PASSING
        yield names[first], instructions[first:last], emptied


def _alone(instruction: Instruction) -> str | None:
    """The transition, family or string with REP that is no work of the pipeline's; "" for what is not decoded yet."""
    if not instruction.size:
        return ""
    string = string_of(instruction)
    return string[0] if string else transition_of(instruction)


def _repeats(instructions: Sequence[Instruction]) -> bool:
    """True if the block ends with a relative jump to its own start."""
    last = instructions[-1]
    return class_of(last) in LOOPING and int(last.operands, 0) == instructions[0].address


def _cycles(ends: list[int]) -> tuple[int, ...]:
    """Ticks to the end of each instruction as cycles, to the nearest; a block that takes time takes one at least."""
    cycles = [(each + TICKS // 2) // TICKS for each in ends[1:]]
    if ends[-1] and not cycles[-1]:
        cycles[-1] = 1
    return tuple(cycles)
