"""The second opinion: Capstone reads every encoded instruction, and must read what the source says.

The source's operands are read here anew, by other means than for encoding: an address is not taken apart but computed,
with arbitrary values in the registers and symbols, and the decoded address must come to the same number.
"""

from __future__ import annotations

import re
import zlib
from functools import cache
from itertools import permutations
from typing import Any

from capstone import CS_ARCH_X86, CS_MODE_32, Cs
from capstone.x86 import X86_INS_ENDING, X86_OP_IMM, X86_OP_MEM, X86_OP_REG

from loader.assembler import forms, registers
from loader.assembler.branches import BRANCHES, CONDITION_NAME
from loader.assembler.encoder import PREFIXES
from loader.assembler.fields import Encoded
from loader.assembler.macros import split
from loader.assembler.tokens import Cursor
from loader.errors import Mistake
from loader.expression import Linear, Lookup

_MEMORY = re.compile(
    rf"(?:far\s+)?(?:(?P<size>{'|'.join(registers.OPERAND_SIZE)})\s+)?(?:(?:ptr|far|near)\s+)*(?:ptr\s*)?"
    r"(?:(?P<segment>[c-gs]s)\s*:\s*)?\[\s*(?:(?P<inner>[c-gs]s)\s*:)?(?P<address>.*)\]", re.IGNORECASE | re.DOTALL)

# Values unlike each other and unlike anything that a source would say.
_VALUES = {name: 0x9E3779B1 * (i + 3) % (1 << 32) for i, name in enumerate(registers.GENERAL_32)}
_MASK = (1 << 32) - 1

_SAME = {                   # mnemonics that mean the same, to the one used for comparing
    "iret": "iretd", "pushf": "pushfd", "pushfw": "pushf16", "popf": "popfd", "popfw": "popf16", "iretw": "iret16",
    "pusha": "pushad", "pushal": "pushad", "popa": "popad", "popal": "popad", "pushaw": "pusha16", "popaw": "popa16",
    "sal": "shl", "retn": "ret", "xlat": "xlatb", "fwait": "wait", "icebp": "int1", "ljmp": "jmp", "lcall": "call",
    "loopz": "loope", "loopnz": "loopne", "repz": "repe", "repnz": "repne", "fucomip": "fucompi", "fcomip": "fcompi",
}
_DECODED_SAME = {"pushf": "pushf16", "popf": "popf16", "iret": "iret16", "pushaw": "pusha16", "popaw": "popa16",
                 "pushal": "pushad", "popal": "popad", "retfq": "retf"}         # names that Capstone uses otherwise

# Memory operands whose size the instruction defines, and that Capstone gives an arbitrary one.
SIZELESS = frozenset((
    "lea", "lgdt", "lidt", "sgdt", "sidt", "lds", "les", "lfs", "lgs", "lss", "bound", "fxsave", "fxrstor", "fnsave",
    "frstor", "fnstenv", "fldenv", "clflush", "invlpg", "prefetchnta", "prefetcht0", "prefetcht1", "prefetcht2"))
_IMPLICIT = forms.STRING | {"aam", "aad", "fxch", "faddp", "fmulp", "fsubp", "fsubrp", "fdivp", "fdivrp", "fcom",
                            "fcomp", "fucom", "fucomp"}                         # operands that need not be written
_FRAME = frozenset(("ret", "retn", "retf", "enter"))     # with a 16-bit immediate, which Capstone shows as 32-bit
_WIDE_SOURCE = frozenset(("lar", "lsl"))    # 16-bit source registers are shown as 32-bit ones


@cache
def _capstone() -> Cs:
    engine = Cs(CS_ARCH_X86, CS_MODE_32)
    engine.detail = True
    return engine


@cache
def mnemonics() -> frozenset[str]:
    """Every mnemonic there is; nothing else is tried."""
    names = {_capstone().insn_name(number) for number in range(1, X86_INS_ENDING)}
    set_and_move = {stem + name for stem in ("set", "cmov") for name in CONDITION_NAME}
    written = {*_SAME, *BRANCHES, *forms.STRING, *set_and_move, "pushad", "popad", "faddp"}
    known = {name for name in names if name} | written
    only_64_bit = {name[:-1] + "q" for name in forms.STRING}
    return frozenset(known - only_64_bit - PREFIXES)


def verify(words: list[str], operands: str, encoded: Encoded, lookup: Lookup) -> None:
    """Raises Mistake unless `encoded` decodes to the instruction written as `words` (prefix, mnemonic) and `operands`.

    `lookup` says what is known of a name.
    """
    data = encoded.filled(_stand_in)
    decoded = next(_capstone().disasm(data, 0), None)
    if decoded is None or decoded.size != len(data):
        raise Mistake(_difference(data, decoded))
    if _names(words, _SAME) != _names(decoded.mnemonic.split(), _DECODED_SAME):
        raise Mistake(_difference(data, decoded))
    written = split(operands)
    if not _operands_agree(words[-1], written, decoded, lookup):
        raise Mistake(_difference(data, decoded))


def verify_branch(mnemonic: str, data: bytes, address: int, target: int) -> None:
    """Raises Mistake unless `data` at `address` is the branch `mnemonic` to `target`."""
    decoded = next(_capstone().disasm(data, address), None)
    if decoded is None or decoded.size != len(data) or _names([mnemonic], _SAME) != _names([decoded.mnemonic], {}) \
            or len(decoded.operands) != 1 or decoded.operands[0].imm & _MASK != target & _MASK:
        raise Mistake(_difference(data, decoded))


def _difference(data: bytes, decoded: Any) -> str:
    reads = f"{decoded.mnemonic} {decoded.op_str}".strip() if decoded else "nothing"
    return f"the encoding cannot be trusted: {data.hex(' ')} reads as {reads!r}"


def _names(words: list[str], same: dict[str, str]) -> list[str]:
    """Prefix and mnemonic in the form used for comparing."""
    found = []
    for word in words:
        if word == "notrack":                           # how Capstone reads DS: in front of an indirect branch
            continue
        for stem in ("set", "cmov", "j"):
            if word.startswith(stem) and word[len(stem):] in CONDITION_NAME:
                word = stem + CONDITION_NAME[word[len(stem):]]
        word = same.get(word) or _SAME.get(word, word)
        found.append(word)
    if found[-1][:-1] in ("movs", "stos", "lods", "ins", "outs"):       # no condition: rep, repe mean the same byte
        found = ["rep" if word == "repe" else word for word in found]
    elif found[0] == "rep":
        found[0] = "repe"
    return found


def _operands_agree(mnemonic: str, written: list[str], decoded: Any, lookup: Lookup) -> bool:
    shown = list(decoded.operands)
    if not written:
        return not shown or mnemonic in _IMPLICIT
    if mnemonic in ("jmp", "call") and len(shown) == 2 and len(written) == 1:       # selector:offset
        pieces = written[0].rsplit(":", 1)
        return len(pieces) == 2 and all(_immediate(text, op.imm, op.size, lookup)
                                        for text, op in zip(pieces, shown, strict=True))
    if mnemonic == "imul" and len(written) == 2 and len(shown) == 3:                # imul r, imm is imul r, r, imm
        written = [written[0], *written]
    if mnemonic.startswith("f") and len(written) == len(shown) + 1:                 # Capstone leaves ST(0) out
        written = written[:-1] if mnemonic.endswith("p") and _plain(written[-1]) == "st(0)" else written[1:]
    if len(written) != len(shown):
        return False
    orders = permutations(shown) if mnemonic in ("xchg", "test") else [tuple(shown)]
    return any(all(_agrees(mnemonic, i, text, op, decoded, lookup)
                   for i, (text, op) in enumerate(zip(written, order, strict=True))) for order in orders)


def _agrees(mnemonic: str, position: int, text: str, op: Any, decoded: Any, lookup: Lookup) -> bool:
    """Whether one operand as written is the operand as decoded."""
    if op.type == X86_OP_REG:
        name = _plain(text)
        shown = decoded.reg_name(op.reg)
        if position == 1 and name in registers.GENERAL_16 and shown in registers.GENERAL_32:
            to_segment = mnemonic == "mov" and decoded.reg_name(decoded.operands[0].reg) in registers.SEGMENT
            if to_segment or mnemonic in _WIDE_SOURCE:
                name = registers.GENERAL_32[registers.GENERAL_16.index(name)]
        return name == shown
    if op.type == X86_OP_IMM:
        return _immediate(text, op.imm, 2 if mnemonic in _FRAME else op.size, lookup)
    return op.type == X86_OP_MEM and _memory(mnemonic, text, op, decoded, lookup)


def _plain(text: str) -> str:
    """A register's name as Capstone writes it."""
    name = re.sub(r"\s+", "", text).lower()
    return "st(0)" if name == "st" else name


def _immediate(text: str, shown: int, size: int, lookup: Lookup) -> bool:
    expression = re.sub(r"^\s*(?:(?:far|dword|offset)\s+)*(?:ptr\s+)?", "", text, flags=re.IGNORECASE)
    mask = (1 << 8 * size) - 1
    return (_value(expression, lookup) - shown) & mask == 0


def _memory(mnemonic: str, text: str, op: Any, decoded: Any, lookup: Lookup) -> bool:
    match = _MEMORY.fullmatch(text.strip())
    if not match:
        return False
    keyword = (match["size"] or "").lower()
    is_far = keyword == "fword" or re.search(r"\bfar\b", text, re.IGNORECASE) is not None
    if keyword and not is_far and mnemonic not in SIZELESS and registers.OPERAND_SIZE[keyword] != op.size:
        return False
    base = decoded.reg_name(op.mem.base) if op.mem.base else ""
    index = decoded.reg_name(op.mem.index) if op.mem.index else ""
    segment = decoded.reg_name(op.mem.segment) if op.mem.segment else ""
    wanted = (match["segment"] or match["inner"] or "").lower()
    default = registers.default_segment(base)
    if (segment or default) != (wanted or default):
        return False
    if mnemonic in ("jmp", "call") and is_far != decoded.op_str.startswith("ptr "):
        return False
    address = _VALUES.get(base, 0) + _VALUES.get(index, 0) * op.mem.scale + op.mem.disp
    return (_value(match["address"], lookup) - address) & _MASK == 0


def _value(text: str, lookup: Lookup) -> int:
    """The number that an expression comes to, registers and symbols having their arbitrary values."""

    def value(name: str) -> Linear:
        return Linear(_VALUES[name.lower()]) if name.lower() in _VALUES else lookup(name)

    cursor = Cursor(text, value)
    found = cursor.expression()
    cursor.finish()
    return _stand_in(found)


def _stand_in(value: Linear) -> int:
    """`value` with an arbitrary but definite number for everything that is not known."""
    return value.constant + sum(c * zlib.crc32(repr(atom).encode()) for atom, c in value.terms)
