"""Machine code of the host, x86-64, from assembly text, and memory that it can run in.

Keystone encodes it. That is known to encode some things wrong and say nothing, so what it makes is read by Capstone and
compared with the text; and it may take numbers for hexadecimal, so it gets them as such.
"""

from __future__ import annotations

import mmap
import re
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LABELLED = re.compile(r"(?:(\w+):)?\s*(.*)")
_NUMBER = re.compile(r"(?<!\w)(?:0x[0-9a-f]+|[0-9]+)\b")
_NEGATIVE = re.compile(r", -(0x[0-9a-f]+|[0-9]+)")
_SIZE = re.compile(r"\w+ ptr ")
_NOTHING = re.compile(r" [+-] 0(?=])| ?\* ?1(?= |])|\s")      # what may be left out


class EncodingError(Exception):
    """Keystone has not done what it was told."""


def executable(size: int) -> NDArray[np.uint8]:
    """Memory for machine code; pages that are not used take none. Raises OSError where the host allows no such."""
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS,
                       mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    return np.frombuffer(memory, np.uint8)


def assemble(text: str) -> bytes:
    """The code of instructions and labels, on lines or apart by semicolons. Numbers are decimal, or begin with 0x.

    Raises EncodingError.
    """
    instructions: list[str] = []
    labels: dict[str, int] = {}         # number of the instruction behind each
    lines: list[str] = []
    for line in re.split(r"[;\n]", text):
        label, instruction = _LABELLED.fullmatch(line.strip()).groups()     # type: ignore[union-attr]
        if label:
            labels[label] = len(instructions)
            lines.append(f"{label}:")
        if instruction:
            instructions.append(instruction)
            lines.append(_NUMBER.sub(lambda number: hex(int(number[0], 0)), instruction))
    encoder, reader = _tools()
    code = bytes(encoder.asm("\n".join(lines))[0] or ())
    read = list(reader.disasm_lite(code, 0))
    ends = [address + size for address, size, *_ in read]
    if (ends or [0])[-1] != len(code) or len(read) != len(instructions):
        raise EncodingError(f"{len(instructions)} instructions became {len(read)}")
    places = [0, *ends]
    for (_, _, mnemonic, operands), instruction in zip(read, instructions, strict=True):
        name, _, target = instruction.partition(" ")
        wanted = f"{name} {places[labels[target]]}" if target in labels else instruction
        found = f"{mnemonic} {operands}"
        if _plain(wanted) != _plain(found if "ptr" in wanted else _SIZE.sub("", found)):
            raise EncodingError(f"{wanted!r} reads as {found!r}")
    return code


@cache
def _tools() -> tuple[Any, Any]:
    import capstone  # here: a short run has no use for them
    import keystone

    return (keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64),
            capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64))


def _plain(text: str) -> str:
    """An instruction, spelt in one way. A number and its extension to 64 bits are alike."""
    text = text.replace("movabs", "mov").replace("+ -", "- ")
    text = _NEGATIVE.sub(lambda number: f", {-int(number[1], 0) & 0xFFFFFFFF}", text)
    text = _NUMBER.sub(lambda number: str(_low(int(number[0], 0))), text)
    return _NOTHING.sub("", text)


def _low(number: int) -> int:
    return number & 0xFFFFFFFF if number >> 31 == (1 << 33) - 1 else number
