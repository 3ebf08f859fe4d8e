"""Two machines side by side: the exact instruction behind which they differ.

Runs are deterministic, so whatever is to be known of one is found by making the machine again and running it to an
instruction count. Nothing has to be recorded beforehand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.monitor.compare.inputs import Inputs
from emu.monitor.inspect.plain import Plain
from emu.monitor.monitor import Monitor

if TYPE_CHECKING:
    from emu.machine import Machine

WINDOW = 1 << 20            # instructions whose blocks are compared at once
PIECE = 1 << 24             # instructions between two reports of how far it is
PARTS = 64                  # places at which states are compared in one run
WORDS = 8                   # words of memory that are shown of many that differ

Make = Callable[[], "Machine"]              # makes the machine of a run anew, at its first instruction
Told = Callable[[int], None]                # is called now and then with the instructions that have run


@dataclass(frozen=True)
class Standing(Plain):
    """A machine between two instructions."""

    cycle: int
    instructions: int                       # retired
    address: int                            # linear, of the next instruction
    space: int                              # CR3
    code: str                               # that instruction, "" where there is no memory
    file: str | None                        # its source
    line: int | None
    registers: dict[str, int]


@dataclass(frozen=True)
class Parting(Plain):
    """Where two runs part: one instruction, and what comes with it (interrupts, faults), led them to other places."""

    before: tuple[Standing, Standing]       # in front of it
    behind: tuple[Standing, Standing]       # ... and behind it


@dataclass(frozen=True)
class StateChange(Plain):
    """Where the states of two machines become different."""

    before: tuple[Standing, Standing]       # in front of the instruction behind which they are
    behind: tuple[Standing, Standing]
    words: list[tuple[int, int, int]]       # physical address, in A, in B: the first words of memory that differ
    word_count: int                         # how many do


def stand(machine: Machine, programs: Mapping[int, str] | None = None) -> Standing:
    """Where a machine stands; `programs` (CR3 -> program) says whose source it is."""
    from emu.monitor.inspect.code import Names, disassemble

    state, cpu = machine.cpu.state, machine.cpu
    space = cpu.registers.cr3 & 0xFFFFF000
    names = Names(machine, (programs or {}).get(space))
    code = disassemble(machine, cpu.linear_eip, 1, names=names)
    return Standing(state.cycles, state.instructions, cpu.linear_eip, space, code[0].text if code else "",
                    code[0].file if code else None, code[0].line if code else None, cpu.registers.snapshot())


def stand_before(machine: Machine, crossing: Any, programs: Mapping[int, str] | None = None) -> Standing:
    """Run a machine to in front of one of its crossings (an element of CROSSING), or of the instruction before."""
    count = int(crossing["instructions"])           # with the instruction that crosses, or without one that faults
    go(machine, count - 1)
    before = stand(machine, programs)
    if before.address != crossing["from"]:
        go(machine, count)
        if machine.cpu.linear_eip == crossing["from"]:
            return stand(machine, programs)
    return before


def go(machine: Machine, instructions: int, told: Told | None = None) -> bool:
    """Run until that many instructions have been retired; False if the run ends before. Raises what a device raised."""
    state = machine.cpu.state
    while (left := instructions - state.instructions) > 0:
        before = state.instructions
        machine.run(max_instructions=min(left, PIECE))
        if told:
            told(state.instructions)
        if state.instructions < before + min(left, PIECE):
            return False
    return True


def part(makes: Sequence[Make], first: int, lasts: Sequence[int],
         programs: Sequence[Mapping[int, str]] = ({}, {}),
         told: Told | None = None) -> tuple[Parting | None, list[Inputs]]:
    """Where two runs part that are alike up to `first` instructions and differ behind `lasts` at the latest; None if
    they do not part. And what each has read from devices up to there, or a little farther.
    """
    with ExitStack() as stack:
        pair = [make() for make in makes]
        inputs = [stack.enter_context(Inputs(machine)) for machine in pair]
        for machine in pair:
            go(machine, first, told)
            machine.cpu.state.fast_forward = 0              # every turn of a loop is a block
        last = _same_until(pair, first, min(lasts), told)
        for machine in pair:
            go(machine, max(machine.cpu.state.instructions, last) + 1, told)
    pair = [make() for make in makes]
    for machine in pair:
        go(machine, last, told)
    return _step_apart(pair, min(lasts), programs), inputs


def _same_until(pair: Sequence[Machine], first: int, last: int, told: Told | None) -> int:
    """How many instructions have run at the last block up to `last` that begins alike before one does not.

    Runs that have gone the same way may have cut it into different blocks; but behind a branch, a new one begins.
    """
    same = here = first
    while here < last:
        here = min(here + WINDOW, last)
        blocks = []
        for machine in pair:
            with Monitor(machine, blocks=True) as monitor:
                go(machine, here)
            blocks.append(_starts(monitor.blocks))
        (counts, a), (other_counts, b) = blocks
        shared, in_a, in_b = np.intersect1d(counts, other_counts, assume_unique=True, return_indices=True)
        unlike = (a[in_a] != b[in_b]).any(axis=1)
        alike = int(np.argmax(unlike)) if unlike.any() else len(shared)
        if alike:
            same = int(shared[alike - 1])
        if alike < len(shared):
            break
        if told:
            told(here)
    return same


def _starts(blocks: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Instruction counts at which blocks begin, and where: address and `space`. Of several at a count, the last one."""
    counts = blocks["instructions"]
    last = np.append(counts[1:] != counts[:-1], True)[:len(counts)]
    return counts[last], np.stack([blocks["pc"][last], blocks["space"][last]], axis=1)


def _step_apart(pair: Sequence[Machine], last: int, programs: Sequence[Mapping[int, str]]) -> Parting | None:
    """Step both, which stand alike, until they do not; they do so behind the instruction after `last`."""
    while True:
        before = _both(pair, programs)
        if not _alike(before) or before[0].instructions > last:
            return None
        ran = [go(machine, machine.cpu.state.instructions + 1) for machine in pair]
        behind = _both(pair, programs)
        if not all(ran) or not _alike(behind):
            return Parting(before, behind)


def _both(pair: Sequence[Machine], programs: Sequence[Mapping[int, str]]) -> tuple[Standing, Standing]:
    a, b = (stand(machine, names) for machine, names in zip(pair, programs, strict=True))
    return a, b


def _alike(pair: tuple[Standing, Standing]) -> bool:
    """Whether both stand at the same place."""
    a, b = ((each.address, each.space, each.instructions, each.registers["cs"]) for each in pair)
    return a == b


def first_other_state(makes: Sequence[Make], last: int, programs: Sequence[Mapping[int, str]] = ({}, {}),
                      told: Told | None = None) -> StateChange | None:
    """The instruction behind which registers or memory become different, up to `last` instructions; None if they are
    the same there and at every place that was looked at.

    A difference that vanishes again between two such places, PARTS of them at first, goes unseen.
    """
    low, high = 0, last
    while high - low > 1:
        pair = [make() for make in makes]
        if _differ(pair):                                   # from the start
            return _state_change(_both(pair, programs), pair, programs)
        for machine in pair:
            go(machine, low, told)
        for count in sorted({low + (high - low) * part // PARTS for part in range(1, PARTS + 1)} - {low}):
            for machine in pair:
                go(machine, count, told)
            if _differ(pair):
                high = count
                break
            low = count
        else:
            return None
    pair = [make() for make in makes]
    for machine in pair:
        go(machine, low, told)
    before = _both(pair, programs)
    for machine in pair:
        go(machine, low + 1)
    return _state_change(before, pair, programs) if _differ(pair) else None


def _differ(pair: Sequence[Machine]) -> bool:
    a, b = pair
    return (a.cpu.registers.snapshot() != b.cpu.registers.snapshot() or a.ram.size != b.ram.size
            or not np.array_equal(a.ram.bytes, b.ram.bytes))


def _state_change(before: tuple[Standing, Standing], pair: Sequence[Machine],
                  programs: Sequence[Mapping[int, str]]) -> StateChange:
    size = min(machine.ram.size for machine in pair)
    a, b = (machine.ram.bytes[:size].view(np.uint32) for machine in pair)
    unlike = np.flatnonzero(a != b)
    words = [(4 * at, int(a[at]), int(b[at])) for at in unlike[:WORDS].tolist()]
    return StateChange(before, _both(pair, programs), words, len(unlike))
