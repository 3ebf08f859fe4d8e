"""One instruction from source text to checked bytes: prefixes, sizes of memory operands, and which way to encode it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from loader.assembler import check, fields, forms, registers
from loader.assembler.branches import BRANCHES, BranchForm
from loader.assembler.fields import Encoded
from loader.assembler.operands import FarPointer, Immediate, Memory, Operand, Register, parse
from loader.errors import Mistake
from loader.expression import Linear, Lookup

_SHAPE = re.compile(r"((?:(?:lock|rep|repe|repz|repne|repnz)\s+)?[a-z][a-z0-9]*)(?:\s+(.*))?",
                    re.IGNORECASE | re.DOTALL | re.ASCII)
MOST_SEEN = 1 << 16         # instructions that are remembered

_SPELLING = {"retn": "ret", "fwait": "wait", "loopz": "loope", "loopnz": "loopne"}   # for Keystone

# Memory operands whose size need not be said, because the instruction has only one, bytes; 0: it has none.
_ONLY_SIZE = {
    **dict.fromkeys(check.SIZELESS, 0), "jmp": 4, "call": 4, "cmpxchg8b": 8, "ltr": 2, "lldt": 2, "lmsw": 2,
    "str": 2, "sldt": 2, "smsw": 2, "verr": 2, "verw": 2, "fldcw": 2, "fnstcw": 2, "fnstsw": 2, "ldmxcsr": 4,
    "stmxcsr": 4, "lar": 2, "lsl": 2, "movnti": 4, "arpl": 2,
}
# Mnemonics whose operands are always the same registers and what they point to.
_IMPLICIT = forms.STRING | {"xlat", "xlatb"}
# Mnemonics in which a register says nothing about the size of the memory operand.
_UNRELATED = frozenset(("movzx", "movsx", "crc32", "rol", "ror", "rcl", "rcr", "shl", "sal", "shr", "sar"))


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch whose encoding depends on where its target ends up."""

    mnemonic: str
    form: BranchForm
    target: Linear
    distance: str           # short or near if the source insists

    @property
    def begins_near(self) -> bool:
        """Whether it takes the near form from the start."""
        return not self.form.short or self.distance == "near"


_seen: dict[str, tuple[dict[str, Linear], Encoded | Branch]] = {}     # by text: what its names meant, what it became


def encode(text: str, lookup: Lookup) -> Encoded | Branch:
    """The instruction `text`; `lookup` says what is known of names. Raises Mistake.

    One is encoded, and checked, once as long as its names mean the same.
    """
    meant, encoded = _seen.get(text, ({}, None))
    if encoded and all(lookup(name) == value for name, value in meant.items()):
        return encoded
    meant = {}

    def asked(name: str) -> Linear:
        meant[name] = lookup(name)
        return meant[name]

    encoded = _encode(text, asked)
    if len(_seen) >= MOST_SEEN:
        _seen.clear()
    _seen[text] = meant, encoded
    return encoded


def _encode(text: str, lookup: Lookup) -> Encoded | Branch:
    match = _SHAPE.fullmatch(text)
    if not match:
        raise Mistake("this is no instruction, directive, label or assignment")
    words, rest = match[1].lower().split(), match[2] or ""
    mnemonic = words[-1]
    if mnemonic not in check.mnemonics():
        raise Mistake(_unknown(mnemonic))
    operands = parse(rest, lookup)
    if len(words) == 2:
        _check_prefix(words[0], mnemonic, operands)
    if mnemonic in _IMPLICIT and operands and not any(_is_vector(o) for o in operands):
        raise Mistake(f"{mnemonic} is written without operands: it uses fixed registers and what they point to")
    if mnemonic in BRANCHES and len(operands) == 1 and isinstance(operands[0], Immediate):
        return _branch(mnemonic, operands[0])
    operands = _with_sizes(mnemonic, operands)
    encoded = _encode_plain(mnemonic, operands)
    if len(words) == 2:
        encoded = encoded.after(bytes([forms.PREFIX[words[0]]]))
    check.verify(words, rest, encoded, lookup)
    return encoded


def _unknown(mnemonic: str) -> str:
    """What to say of a mnemonic that does not exist."""
    if mnemonic in forms.PREFIX:
        return f"{mnemonic} needs an instruction behind it"
    without_wait = "fn" + mnemonic[1:]
    if mnemonic.startswith("f") and without_wait in check.mnemonics():
        return f"{mnemonic} is two instructions: write wait and {without_wait}"
    return f"unknown instruction {mnemonic!r}"


def _branch(mnemonic: str, target: Immediate) -> Branch:
    form = BRANCHES[mnemonic]
    if target.size:
        raise Mistake("a branch to a label takes no size keyword")
    if (target.distance == "short" and not form.short) or (target.distance == "near" and not form.near):
        raise Mistake(f"{mnemonic} has no {target.distance} form")
    return Branch(mnemonic, form, target.value, target.distance)


def _is_vector(operand: Operand) -> bool:
    """An XMM register: what tells MOVSD and CMPSD of SSE2 from those of the 8086."""
    return isinstance(operand, Register) and operand.name.startswith("xmm")


def _check_prefix(prefix: str, mnemonic: str, operands: tuple[Operand, ...]) -> None:
    if prefix == "lock":
        if mnemonic not in forms.LOCKABLE or not any(isinstance(o, Memory) for o in operands[:2]):
            raise Mistake(f"lock {mnemonic}: lock needs an instruction that reads and writes memory (SDM 2, LOCK)")
    elif mnemonic not in forms.STRING or operands:
        raise Mistake(f"{prefix} belongs to a string instruction without operands, such as {prefix} movsd")


def _encode_plain(mnemonic: str, operands: tuple[Operand, ...]) -> Encoded:
    """The instruction without its prefix: by hand if the table has it, else by Keystone."""
    form = forms.find(mnemonic, operands)
    if form:
        encoded = fields.by_hand(form)
    elif any(isinstance(o, FarPointer) for o in operands):
        raise Mistake(f"{mnemonic} takes no far pointer")
    elif any(isinstance(o, Memory) and o.far for o in operands) and mnemonic in ("jmp", "call"):
        raise Mistake(f"{mnemonic} takes one far address")
    else:
        encoded = fields.by_keystone(_SPELLING.get(mnemonic, mnemonic), operands)
    return encoded.after(_segment_prefix(operands))


def _segment_prefix(operands: tuple[Operand, ...]) -> bytes:
    """The override that a memory operand asks for; ours to write, as Keystone loses some."""
    for operand in operands:
        if isinstance(operand, Memory) and operand.segment not in ("", registers.default_segment(operand.base)):
            return bytes([registers.SEGMENT_PREFIX[operand.segment]])
    return b""


# Sizes

def _with_sizes(mnemonic: str, operands: tuple[Operand, ...]) -> tuple[Operand, ...]:
    """The operands with every memory operand's size known. Raises Mistake where the source leaves it open."""
    if any(isinstance(o, Immediate) and o.size and (o.size != 4 or mnemonic != "push") for o in operands):
        raise Mistake("a size keyword belongs to a memory operand")
    if any(isinstance(o, Immediate) and o.distance for o in operands):
        raise Mistake("short and near belong to branches")
    return tuple(_with_size(mnemonic, o, operands) if isinstance(o, Memory) else o for o in operands)


def _with_size(mnemonic: str, memory: Memory, operands: tuple[Operand, ...]) -> Memory:
    size = memory.size
    if mnemonic in check.SIZELESS or memory.far:
        size = 0 if mnemonic in check.SIZELESS else 6
    elif not size:
        size = _implied_size(mnemonic, operands)
    return Memory(size, memory.segment, memory.base, memory.index, memory.scale, memory.displacement, memory.far)


def _implied_size(mnemonic: str, operands: tuple[Operand, ...]) -> int:
    """What the instruction or its other operand says about the size of its memory operand."""
    if mnemonic in _ONLY_SIZE:
        return _ONLY_SIZE[mnemonic]
    if mnemonic.startswith("set"):
        return 1
    others = [o.name for o in operands if isinstance(o, Register)]
    if any(name.startswith(("mm", "xmm")) for name in others):
        return 0                                                    # the instruction defines it
    if others and mnemonic not in _UNRELATED and not mnemonic.startswith("f"):
        return registers.SIZE[others[0]]
    raise Mistake("operand size unknown: say byte, word or dword ptr")
