"""From the text of a row to the loops that measure it.

The latency of an instruction is measured on a chain: copies that all use the same registers and the same address, so
that each waits for the one before; a load waits through its address (`mov edx, [edx]`). The throughput is measured on
copies that take turns with registers and addresses. Where the registers are too few for that (operands.POOL), they are
loaded anew every few copies, as the measurement must have done in some way.

Both kinds run a loop of COPIES and one of twice as many; the difference between the two is what COPIES of them cost,
and what belongs to the loop itself cancels. REP instructions do the same with their count.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tools.validate.operands import BASE, POOL, SLOTS, UnknownOperand, is_load, split, written
from tools.validate.rows import Kind

COPIES = 60                     # of the short loop: a multiple of the numbers of registers and of slots
ITERATIONS = 8                  # of the long loop in a pass; of the short one, twice as many
# The same for what walks through memory. How far a measurement walked, its figures show: POP fits into 8 KiB, POPAD
# does not; 32 bytes a copy fit into 64 KiB, and not into 16. LODSB fits into 8 KiB, LODSW does not; LODSD fits into
# 64 KiB in the column of latencies, and not in that of throughputs.
STACK_ITERATIONS = 12
CHAINED_STRING_ITERATIONS, STRING_ITERATIONS = 50, 200
RENAMED = 5                     # copies after which a register is loaded anew, if it is
ELEMENTS = 256                  # of a REP in the short loop

STACK, STACK_END = 0x1000, 0xF000           # offsets into the data of a loop
SOURCE, DESTINATION = 0x10000, 0x20480      # of the strings of REP, not the same lines of a cache
WALKED = 0x30000                            # bytes of data of a loop that walks through stack or strings
STOOD = 0x2000                              # the same of one that does not

FULL_DIVIDEND = {"eax": 0x55555555, "edx": 700_000_001, "ebx": 2_100_000_004}   # EDX:EAX / EBX leaves EDX:EAX as it is
ONE_BY_ONE = {"eax": 1, "edx": 0, "ebx": 1}


class NotMeasured(Exception):
    """A row that has no benchmark; the message is the reason."""


@dataclass(frozen=True)
class Loop:
    """Instructions that are repeated; the rig adds the jump back."""

    instructions: tuple[str, ...]
    iterations: int                                             # of a pass
    values: dict[str, int] = field(default_factory=dict)        # registers at the start of a pass
    pointers: dict[str, int] = field(default_factory=dict)      # the same, as offsets into the loop's data


@dataclass(frozen=True)
class Benchmark:
    """Two loops, the second of which does `amount` more of what is measured."""

    short: Loop
    long: Loop
    amount: int                     # instructions, or bytes of a REP
    space: int = STOOD              # bytes of data
    word: str = "zero"              # first doubleword of the data: zero, ones, or itself: its own address
    is_cached: bool = True          # what it addresses (but not stack and strings) has been read before
    is_rate: bool = False           # the figure is bytes in a cycle, not cycles

    def figure(self, short: float, long: float) -> float:
        """What was measured, from the cycles of an iteration of both loops. Raises NotMeasured for an endless rate."""
        if self.is_rate and long <= short:
            raise NotMeasured("the longer loop takes no longer")
        return self.amount / (long - short) if self.is_rate else (long - short) / self.amount


Copy = Callable[[int], list[str]]               # the assembly of copy number n

_SPECIAL: dict[str, tuple[Copy, dict[str, int]]] = {        # text -> its copies, and the registers
    "CPUID (EAX = 0)": (lambda _: ["cpuid"], {"eax": 0}),      # the next asks for what this one leaves in EAX:
    "CPUID (EAX = 1)": (lambda _: ["cpuid"], {"eax": 1}),      # all leaves cost the same here
    "DIV r32 64/32b (full)": (lambda _: ["div ebx"], FULL_DIVIDEND),
    "DIV r32 1/1": (lambda _: ["div ebx"], ONE_BY_ONE),
    "IDIV r32 62/31b (full)": (lambda _: ["idiv ebx"], FULL_DIVIDEND),
    "IDIV r32 1/1": (lambda _: ["idiv ebx"], ONE_BY_ONE),
}
_COMPARED = {"eax": 0, "edx": 0, "ebx": 0, "ecx": 0}        # CMPXCHG8B finds what it expects, and stores it
_SIXTEEN_BITS = {"PUSHA": "pushaw", "POPA": "popaw", "PUSHF": "pushfw", "POPF": "popfw"}   # as the rows mean them
_STACK_STEPS = {"push": -4, "pop": 4, "pushad": -32, "popad": 32, "pushaw": -16, "popaw": 16, "pushfd": -4, "popfd": 4,
                "pushfw": -2, "popfw": 2}                   # what each adds to ESP
_UNITS = {"b": 1, "w": 2, "d": 4}
_STRING = re.compile(r"(lods|stos|movs|scas|cmps)[bwd]")
_REPEATED = re.compile(r"(REPN?E?) (LODS|STOS|MOVS|SCAS|CMPS)([BWD])")
_PLUS = re.compile(r"\s*\+\s*(?=[A-Z]{2})")                 # joins instructions, not the terms of an address
_INSTRUCTION = re.compile(r"((?:LOCK )?[A-Z][A-Z0-9]*)(?:\s+(.*))?")


@dataclass(frozen=True)
class Part:
    """An instruction of a row."""

    mnemonic: str                   # as assembly
    operands: list[str]             # as in the row


def benchmark(insn: str, kind: Kind, renames: bool = False) -> Benchmark:
    """What measures `kind` of the row text `insn`. `renames`: registers are loaded anew in a throughput (see above).

    Raises NotMeasured.
    """
    repeated = _REPEATED.fullmatch(insn)
    if repeated and kind == Kind.BANDWIDTH:
        return _bandwidth(*(part.lower() for part in repeated.groups()))
    if repeated or kind == Kind.BANDWIDTH:
        raise NotMeasured("of string instructions with REP, and of those alone, bytes in a cycle are measured")
    if insn in _SPECIAL:
        copy, values = _SPECIAL[insn]
        return _benchmark(copy, values, {})
    parts = [_part(text) for text in _PLUS.split(insn)]
    chained = kind == Kind.LATENCY
    if chained and [part.mnemonic for part in parts] == ["mov", "mov"]:
        raise NotMeasured("what a copy of the dump waits for is unknown: its figure is that of several steps")
    name = parts[0].mnemonic
    if name.endswith("cmpxchg8b"):
        return _benchmark(lambda number: [f"{name} qword ptr [esi + {0 if chained else number % SLOTS * 8}]"],
                          _COMPARED, {"esi": 0})
    return _of_parts(parts, chained, renames)


def _part(text: str) -> Part:
    match = _INSTRUCTION.fullmatch(text.strip())
    if not match:
        raise NotMeasured(f"{text!r} is no instruction as the rows write them")
    return Part(_SIXTEEN_BITS.get(match[1], match[1].lower()), split(match[2] or ""))


def _of_parts(parts: list[Part], chained: bool, renames: bool) -> Benchmark:
    pool = POOL[:-1] if any("cl" in part.operands for part in parts) else POOL

    def copy(number: int) -> list[str]:
        lines = []
        for part in parts:
            address = pool[0] if chained and is_load(part.mnemonic, part.operands) else ""
            operands = written(part.operands, 0 if chained else number, pool, address)
            if renames and not chained and operands and operands[0] in pool and number // len(pool) % RENAMED == 0:
                lines.append(f"mov {operands[0]}, [{BASE}]")
            lines.append(f"{part.mnemonic} {', '.join(operands)}".strip())
        return lines

    word = {"mov": "itself", "and": "ones"}.get(parts[0].mnemonic, "zero") if chained else "zero"
    pointers = {BASE: 0, POOL[0]: 0, "esp": STACK}
    step = sum(_STACK_STEPS.get(part.mnemonic, 0) for part in parts)
    if step:
        pointers["esp"] = STACK if step > 0 else STACK_END
        return _benchmark(copy, {}, pointers, WALKED, word, STACK_ITERATIONS)
    if _STRING.fullmatch(parts[0].mnemonic):            # MOVS and CMPS miss no more than LODS does: it is one string
        iterations = CHAINED_STRING_ITERATIONS if chained else STRING_ITERATIONS
        return _benchmark(copy, {}, {"esi": SOURCE, "edi": SOURCE}, WALKED, word, iterations)
    stores = parts[0].mnemonic == "mov" and ",".join(parts[0].operands).startswith("[")
    return replace(_benchmark(copy, {"ecx": 5}, pointers, STOOD, word), is_cached=not stores)


def _benchmark(copy: Copy, values: dict[str, int], pointers: dict[str, int], space: int = STOOD, word: str = "zero",
               iterations: int = ITERATIONS) -> Benchmark:
    """COPIES of `copy`, and twice as many; both pass over the same data."""
    try:
        lines = [copy(number) for number in range(2 * COPIES)]
    except UnknownOperand as error:
        raise NotMeasured(str(error)) from None
    short = tuple(line for each in lines[:COPIES] for line in each)
    long = tuple(line for each in lines for line in each)
    return Benchmark(Loop(short, 2 * iterations, values, pointers), Loop(long, iterations, values, pointers),
                     COPIES, space, word)


def _bandwidth(prefix: str, name: str, unit: str) -> Benchmark:
    """A REP over ELEMENTS, and over twice as many. The strings are equal, and no element is what SCAS looks for."""
    body = ("mov ecx, edx", "mov esi, ebx", "mov edi, ebp", f"{prefix} {name}{unit}")
    streams = 2 if name in ("movs", "cmps") else 1
    short, long = (Loop(body, ITERATIONS, {"edx": count, "eax": 0xFFFFFFFF if name == "scas" else 0},
                        {"ebx": SOURCE, "ebp": DESTINATION}) for count in (ELEMENTS, 2 * ELEMENTS))
    return Benchmark(short, long, ELEMENTS * _UNITS[unit] * streams, WALKED, is_rate=True)
