"""Why rows miss, where that is known: what the dump measured is not what the model is about, or the model's limits.

The first entry that fits a row is its reason.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tools.validate.processors import PROCESSORS
from tools.validate.rows import Kind


class Reason(NamedTuple):
    """Rows, and why they miss. Patterns are regular expressions that match the whole."""

    cpus: str
    insns: str
    text: str
    kinds: tuple[Kind, ...] = tuple(Kind)


P5, P6, NETBURST, ANY = "P5.*", "P[PI].*", "P4.*|PD.*", ".*"
OUT_OF_ORDER = "P[PI].*|K7.*|P4.*|PD.*"

REASONS = (
    # What was measured depends on the machine around the processor
    Reason(P5, r"XCHG r32, \[m32\]|LOCK .*",
           "a locked access takes 9 to 17 clocks of the bus, by its ratio to the core and the board"),
    Reason("P54C-1(00|33)", r"MOV \[m32.*|PUSH(AD|FD| r32| imm32| \[m32\])|STOS[BWD]|REP (STOS|MOVS)[BWD]",
           "a store to a line that is not cached takes 3 to 5 clocks of the bus, by its ratio and the board"),
    Reason("P54C-166", r"(LODS|SCAS|CMPS|MOVS)[BWD]|POPAD|POP \[m32\]",
           "its board had no L2 that worked: what left the first cache came from RAM"),
    Reason("P54C-1(00|33)", r"POPAD", "it waits for the rest of a line that comes, too: not modelled"),
    Reason("P54C.*", r"(ADD|PUSH) .*imm32.*",
           "the dump's code, unrolled with six bytes and more to an instruction, left the code cache"),
    # Figures that a profile has once
    Reason(ANY, r"CPUID .*", "the profile has one figure for all leaves, that of EAX = 1"),
    Reason(NETBURST, r"CBW|CWD", "CBW and CWDE, CWD and CDQ are one class each, which has the figure of the latter"),
    Reason("P4-Prescott.*", r"(AND|XADD) r32, r32", "measured otherwise on the Pentium D, with two of the same core"),
    Reason("P4-Prescott.*", r"LEA r32, \[.*disp.*\]|MOVSX .*", "one class with forms that cost less"),
    Reason(ANY, r"PUSH .* \+ POP .*", "a store passed on to a load has one figure, from ADD [m32], r32"),
    Reason(NETBURST, r"CMPXCHG8B", "the latency in the dump is less than the time from one to the next",
           (Kind.LATENCY,)),
    Reason(ANY, r"F(?!EMMS).*", "few classes hold all of x87: a kernel does not compute with it"),
    Reason(ANY, r"(PUSH|POP)[AF]( \+ .*)?", "forms of 16 bits are priced as those of 32"),
    Reason(ANY, r"MOV r32,\[m32\]\+MOV.*", "what a copy of the dump waits for is unknown"),
    Reason("K7.*", r"ADD \[m32\], imm32", "the class has the figure of ADD [m32], r32; why this is faster is unknown",
           (Kind.LATENCY,)),
    # What is not modelled
    Reason("K7.*", r"BT[SRC]? r32, r32", "each begins a block (limit of the machine), and a block takes whole cycles"),
    Reason(ANY, r"XCHG r32, r32", "of a register with itself; priced as of two"),
    Reason(P6, r"(CMP|TEST) r1_32, r2_32", "reads of registers not just written are limited: not modelled"),
    Reason("P[PI].*|K7.*", r"(ADD|MOV) \[m32 \+ 8\], r32", "banks of the data cache: not modelled"),
    Reason(OUT_OF_ORDER, r"(LODS|SCAS|CMPS|MOVS)[BWD]|POPAD",
           "a miss stalls for all of its latency; out of order, the processor hides much of it"),
    Reason(OUT_OF_ORDER, r"STOS[BWD]|PUSHAD", "a store that misses waits for the line that it replaces: not modelled"),
)


def reason_of(cpu: str, insn: str, kind: Kind) -> str:
    """Why the figure misses, "" if nobody knows."""
    processor = PROCESSORS.get(cpu)
    if processor and not processor.is_core:
        return f"another core: {processor.relation}"
    for reason in REASONS:
        if re.fullmatch(reason.cpus, cpu) and re.fullmatch(reason.insns, insn) and kind in reason.kinds:
            return reason.text
    return ""
