"""The operands of a row's text, as assembly: which register or address each copy of the instruction uses.

Two operands of the same name are the same register (`ADD r32, r32`), r1_32 and r2_32 are different ones. A copy is told
apart by its number: copies of the same number depend on each other through their registers, others do not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

BASE = "eax"                                            # points to the data, and is no operand
POOL = ("edx", "ebx", "ebp", "edi", "esi", "ecx")       # the registers that are operands; the last counts shifts (CL)
SLOTS = 12                                              # addresses that copies take turns with
NARROW = {8: "bl", 16: "bx"}                            # what an operand of 8 or 16 bits is read from
IMMEDIATES = {"imm8": "0x12", "imm16": "0x1234", "imm32": "0x12345678", "imm32_0": "0"}
DISPLACEMENTS = {"disp8": "0x12", "disp32": "0x12345678"}
SIZES = {"m8": "byte ptr ", "m16": "word ptr ", "m32": "dword ptr ", "m64": "qword ptr ", "mem": ""}

_MEMORY = re.compile(r"\[\s*(m8|m16|m32|m64|mem)\s*(?:\+\s*(\d+))?\s*\]")
_ADDRESS = re.compile(r"\[[^\[\]]+\]")
_TERM = re.compile(r"r(?:32)?(\*[248])?|disp8|disp32")
_NUMBER = re.compile(r"\d+|0x[0-9a-fA-F]+")


class UnknownOperand(Exception):
    """An operand that is not in the grammar; the message says which."""


def split(text: str) -> list[str]:
    """The operands of an instruction's text, in order."""
    return [part.strip() for part in text.split(",")] if text.strip() else []


def is_load(mnemonic: str, operands: Sequence[str]) -> bool:
    """Whether it changes a register by what it reads from memory: its chain goes through the address."""
    return (len(operands) == 2 and operands[0].startswith("r") and _MEMORY.fullmatch(operands[1]) is not None
            and mnemonic not in ("cmp", "test", "bt", "xchg"))


def written(operands: Sequence[str], number: int, pool: Sequence[str], address: str = "") -> list[str]:
    """The operands as assembly, for copy `number`. `address`: the register that addresses memory; "" is the slot of
    the copy. Raises UnknownOperand.
    """
    pairs = any(operand.startswith("r2") for operand in operands)
    first = pool[number * 2 % (len(pool) & ~1)] if pairs else pool[number % len(pool)]
    second = pool[pool.index(first) + 1] if pairs else ""
    return [_operand(operand, number, first, second, address) for operand in operands]


def _operand(text: str, number: int, first: str, second: str, address: str) -> str:
    match = re.fullmatch(r"r([12]?)_?(8|16|32)", text)
    if match:
        if match[2] != "32" and match[1] != "2":
            raise UnknownOperand(f"the operand {text!r}: of 8 and 16 bits, only r2_8 and r2_16 are known")
        return NARROW.get(int(match[2])) or (second if match[1] == "2" else first)
    if text in IMMEDIATES:
        return IMMEDIATES[text]
    if text == "cl" or _NUMBER.fullmatch(text):
        return text
    memory = _MEMORY.fullmatch(text)
    if memory:
        step = int(memory[2] or 4)
        return f"{SIZES[memory[1]]}[{address or f'{BASE} + {number % SLOTS * step}'}]"
    if _ADDRESS.fullmatch(text):
        return _effective_address(text, first)
    raise UnknownOperand(f"the operand {text!r} is none of r32, r1_32, r2_32, [m32], [m32 + 8], imm8, imm32, cl, ...")


def _effective_address(text: str, register: str) -> str:
    """What LEA computes: of the registers in it, the first is the destination, others are BASE."""
    parts: list[str] = []
    for term in (term.replace(" ", "") for term in text[1:-1].split("+")):
        match = _TERM.fullmatch(term)
        if not match:
            raise UnknownOperand(f"the address {text!r} is not made of r32, r32*8, disp8 and disp32")
        parts.append(DISPLACEMENTS.get(term) or (BASE if parts else register) + (match[1] or ""))
    return f"[{' + '.join(parts)}]"
