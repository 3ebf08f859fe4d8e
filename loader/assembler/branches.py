"""Branches to a place in the code: opcodes of the short and the near form (Intel SDM, volume 2)."""

from __future__ import annotations

from typing import NamedTuple

_CONDITIONS = (             # by condition code 0 to 15 (SDM volume 1, appendix B), synonyms together
    ("o",), ("no",), ("b", "c", "nae"), ("ae", "nb", "nc"), ("e", "z"), ("ne", "nz"), ("be", "na"), ("a", "nbe"),
    ("s",), ("ns",), ("p", "pe"), ("np", "po"), ("l", "nge"), ("ge", "nl"), ("le", "ng"), ("g", "nle"))

CONDITION_NAME = {name: names[0] for names in _CONDITIONS for name in names}     # the first synonym stands for all


class BranchForm(NamedTuple):
    """How a branch is encoded; the displacement, from the end of the instruction, follows the opcode."""

    short: bytes            # with an 8-bit displacement; empty: there is none
    near: bytes             # with a 32-bit displacement; empty: there is none


BRANCHES: dict[str, BranchForm] = {
    "jmp": BranchForm(b"\xEB", b"\xE9"),
    "call": BranchForm(b"", b"\xE8"),
    "jecxz": BranchForm(b"\xE3", b""),
    "jcxz": BranchForm(b"\x67\xE3", b""),           # the address-size prefix chooses CX
    "loop": BranchForm(b"\xE2", b""),
    "loope": BranchForm(b"\xE1", b""),
    "loopz": BranchForm(b"\xE1", b""),
    "loopne": BranchForm(b"\xE0", b""),
    "loopnz": BranchForm(b"\xE0", b""),
    **{f"j{name}": BranchForm(bytes([0x70 + code]), bytes([0x0F, 0x80 + code]))
       for code, names in enumerate(_CONDITIONS) for name in names},
}
