"""Which instructions of the Pentium run two at a time: the textbook's pairs, and those that are none.

Each example runs between CLDs, which run alone, so that its first instruction meets an empty U pipe; what a loop of
CLDs costs is subtracted.
"""

from __future__ import annotations

from typing import NamedTuple

from emu.timing.figures import Certainty, Kind
from emu.timing.profile import Profile
from tools.validate.checks import Check, Published
from tools.validate.forms import Loop
from tools.validate.rig import PAGE, Rig

COPIES = 24
ITERATIONS = 8                  # so few that PUSH and POP stay on their page
LINE = 32                       # bytes of a line of its cache
ALONE = "cld"
SOURCE = "Intel Pentium manual volume 3 (241430), pairing rules and clocks; Agner Fog, The microarchitecture"


class Example(NamedTuple):
    """Instructions, the cycles that they take together, and the rule that says so."""

    instructions: tuple[str, ...]
    cycles: int
    rule: str


EXAMPLES = (
    Example(("mov edx, ebx", "mov ebp, edi"), 1, "two simple instructions pair"),
    Example(("add edx, ebx", "inc ebp"), 1, "two simple instructions pair"),
    Example(("mov edx, ebx", "add ebp, edx"), 2, "the second reads what the first writes"),
    Example(("mov edx, ebx", "mov edx, edi"), 2, "both write the same register"),
    Example(("mov edx, ebx", "mov ebx, edi"), 1, "the second writes what the first reads"),
    Example(("mov edx, [eax]", "mov ebx, [eax + 4]"), 1, "two loads pair"),
    Example(("mov [eax], edx", "mov [eax + 4], ebx"), 1, "two stores pair"),
    Example(("add edx, [eax]", "mov ebx, edi"), 2, "an operation on memory takes two cycles"),
    Example(("add edx, [eax]", "add ebx, [eax + 4]"), 2, "two of them still take two"),
    Example(("add [eax], edx", "mov ebx, edi"), 3, "a read and write of memory takes three"),
    Example(("shl edx, 1", "mov ebx, edi"), 1, "a shift pairs in the U pipe"),
    Example(("mov ebx, edi", "shl edx, 1"), 2, "and not in the V pipe"),
    Example(("shl edx, cl", "mov ebx, edi"), 5, "a shift by CL runs alone, four cycles"),
    Example(("adc edx, ebx", "mov ebp, edi"), 1, "ADC pairs in the U pipe"),
    Example(("mov ebp, edi", "adc edx, ebx"), 2, "and not in the V pipe"),
    Example(("push edx", "push ebx"), 1, "PUSH and PUSH pair in spite of ESP"),
    Example(("pop edx", "pop ebx"), 1, "POP and POP likewise"),
    Example(("cmp edx, ebx", "jz short . + 2"), 1, "a comparison pairs with its branch"),
    Example(("mov dword ptr [eax + 4], 1", "mov ebx, edi"), 2, "what has displacement and immediate runs alone"),
    Example(("mov dword ptr [eax], 1", "mov ebx, edi"), 1, "what has an immediate only pairs"),
    Example(("mov edx, edi", "mov ebx, [edx]"), 3, "an address written in the cycle before costs one more"),
    Example(("mov ecx, edi", "mov dx, bx", "mov ebp, edi"), 3, "a prefix takes a cycle to decode, and the U pipe"),
    Example(("neg edx", "mov ebx, edi"), 2, "NEG runs alone"),
    Example(("xchg edx, ebx", "mov ebp, edi"), 4, "XCHG runs alone, three cycles"),
    Example(("cdq", "mov ebp, edi"), 3, "CDQ runs alone, two cycles"),
)


def check_pairs(profile: Profile) -> list[Check]:
    """Every example, if the profile's pipeline pairs."""
    if profile.kind is not Kind.P5:
        return []
    rig = Rig(profile)
    return [Check(profile.name, f"{'; '.join(example.instructions)}  ({example.rule})", _cycles(rig, example),
                  Published(example.cycles, example.cycles, SOURCE, Certainty.UNVERIFIED)) for example in EXAMPLES]


def _cycles(rig: Rig, example: Example) -> float:
    """What the instructions take together, their data in the first cache."""
    data = rig.allocate(PAGE)
    rig.cycles(Loop(tuple(f"mov edx, [eax + {offset}]" for offset in range(0, PAGE, LINE)), 1, {}, {"eax": 0}), data)
    pointers = {"eax": 0, "edi": 0, "edx": 0, "esp": 0 if example.instructions[0].startswith("pop") else PAGE}
    totals = []
    for copies in (COPIES, 2 * COPIES):
        alone = Loop((ALONE,) * copies, ITERATIONS, {}, pointers)
        together = Loop((ALONE, *example.instructions) * copies, ITERATIONS, {}, pointers)
        totals.append(rig.cycles(together, data) - rig.cycles(alone, data))
    return (totals[1] - totals[0]) / COPIES
