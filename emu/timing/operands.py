"""The operands of an instruction, read from Capstone's text.

The text has all that a price depends on, and equal text is read once: asking Capstone for the operands of one
instruction takes longer than pricing it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Register(Enum):
    """The kinds of registers."""

    GENERAL = "general"
    SEGMENT = "segment"
    CONTROL = "control"
    DEBUG = "debug"
    X87 = "x87"
    MMX = "mmx"
    XMM = "xmm"


@dataclass(frozen=True, slots=True)
class Operand:
    """A register, an immediate or a place in memory."""

    text: str                           # as Capstone writes it
    bits: int = 0                       # of a general register, or of what is in memory; 0 if the text does not say
    register: Register | None = None
    name: str = ""                      # of the register; of a general one the 32-bit register that it is part of
    memory: bool = False
    base: str = ""                      # address registers, 32-bit; empty if there is none
    index: str = ""
    scale: int = 1
    displacement: str = ""              # as written
    segment: str = ""                   # override

    @property
    def immediate(self) -> bool:
        """True for a constant, also the target of a branch."""
        return not self.memory and self.register is None

    @property
    def address(self) -> tuple[str, ...]:
        """The registers of the address."""
        return tuple(name for name in (self.base, self.index) if name)

    @property
    def place(self) -> tuple[str, ...]:
        """What is equal for two operands that have the same address while their address registers hold the same."""
        return self.segment, self.base, self.index, str(self.scale), self.displacement


GENERAL = {name: (parent, bits) for parent, names in {
    "eax": ("eax", "ax", "al", "ah"), "ecx": ("ecx", "cx", "cl", "ch"), "edx": ("edx", "dx", "dl", "dh"),
    "ebx": ("ebx", "bx", "bl", "bh"), "esp": ("esp", "sp"), "ebp": ("ebp", "bp"), "esi": ("esi", "si"),
    "edi": ("edi", "di")}.items() for name, bits in zip(names, (32, 16, 8, 8), strict=False)}
OTHERS = {Register.SEGMENT: "es|cs|ss|ds|fs|gs", Register.CONTROL: r"cr\d+", Register.DEBUG: r"dr\d+",
          Register.X87: r"st\(\d\)", Register.MMX: r"mm\d", Register.XMM: r"xmm\d"}
KIND = re.compile("|".join(f"(?P<{kind.value}>{pattern})" for kind, pattern in OTHERS.items()))
MEMORY = re.compile(r"(?:(?P<size>\w+) )?(?:ptr )?(?:(?P<segment>\w\w):)?\[(?P<address>.*)\]")
BITS = {"byte": 8, "word": 16, "dword": 32, "qword": 64, "tbyte": 80, "xword": 80, "xmmword": 128}


@lru_cache(maxsize=1 << 14)
def operands(text: str) -> tuple[Operand, ...]:
    """The operands of an Instruction by their text, in Intel's order: the one that is written first, if any is."""
    return tuple(_operand(each) for each in text.split(", ")) if text else ()


def _operand(text: str) -> Operand:
    if text in GENERAL:
        name, bits = GENERAL[text]
        return Operand(text, bits, Register.GENERAL, name)
    kind = KIND.fullmatch(text)
    if kind and kind.lastgroup:
        return Operand(text, 0, Register(kind.lastgroup), text)
    memory = MEMORY.fullmatch(text)
    return _memory(memory) if memory else Operand(text)


def _memory(match: re.Match[str]) -> Operand:
    base, index, scale, displacement = "", "", 1, ""
    for sign, term in re.findall(r"(^|[+-] )\s*([^ ]+)", match["address"]):
        register, _, times = term.partition("*")
        if register not in GENERAL:
            displacement = sign.strip("+ ") + term
        elif times or base:
            index, scale = GENERAL[register][0], int(times or 1)
        else:
            base = GENERAL[register][0]
    return Operand(match[0], BITS.get(match["size"] or "", 0), memory=True, base=base, index=index, scale=scale,
                   displacement=displacement, segment=match["segment"] or "")
