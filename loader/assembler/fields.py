"""Bytes of an instruction and the fields in them that wait for a symbol.

A symbolic value always takes the widest field that the instruction has for it, so that its size never depends on
where things end up. The field is found by encoding twice, with two values that differ in every byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loader.assembler import encoder, forms, registers
from loader.assembler.forms import Form
from loader.assembler.operands import Immediate, Memory, Operand, Register
from loader.errors import Mistake
from loader.expression import Linear

_FIRST = {4: 0x5A5A5A5A, 2: 0x5A5A, 1: 0x5A}      # by width of the field: the two values; positive, each byte differs
_SECOND = {4: 0x25252525, 2: 0x2525, 1: 0x25}

FRAME = frozenset(("ret", "retf", "enter"))         # with a 16-bit immediate


@dataclass(frozen=True, slots=True)
class Field:
    """Bytes of an instruction that are filled in later."""

    offset: int             # from the start of the instruction
    width: int              # 1, 2, 4 or 8 bytes
    value: Linear


@dataclass(frozen=True, slots=True)
class Encoded:
    """An instruction's bytes, its fields zero, and the fields."""

    data: bytes
    fields: tuple[Field, ...] = ()

    def after(self, prefix: bytes) -> Encoded:
        """This with `prefix` in front."""
        moved = tuple(Field(f.offset + len(prefix), f.width, f.value) for f in self.fields)
        return Encoded(prefix + self.data, moved)

    def filled(self, value: Callable[[Linear], int]) -> bytes:
        """The bytes with what `value` makes of each field, cut off to its width."""
        data = bytearray(self.data)
        for field in self.fields:
            number = value(field.value) % (1 << 8 * field.width)
            data[field.offset:field.offset + field.width] = number.to_bytes(field.width, "little")
        return bytes(data)


# By hand

def by_hand(form: Form) -> Encoded:
    """The encoding that a form of the table describes."""
    if form.far:
        data = form.opcode + bytes(6)
        start = len(form.opcode)
        return _folded(Encoded(data, (Field(start, 4, form.far.offset), Field(start + 4, 2, form.far.selector))))
    if form.reg is None:
        return Encoded(form.opcode)
    if isinstance(form.rm, Register):
        return Encoded(form.opcode + bytes([0xC0 | form.reg << 3 | forms.number(form.rm.name)]))
    assert isinstance(form.rm, Memory)
    address = Memory(0, "", form.rm.base, form.rm.index, form.rm.scale, form.rm.displacement, False)
    load = by_keystone("lea", (Register(registers.GENERAL_32[form.reg]), address))      # 8D, then the ModR/M we want
    without_opcode = Encoded(load.data[1:], tuple(Field(f.offset - 1, f.width, f.value) for f in load.fields))
    return without_opcode.after(form.opcode)


def _folded(encoded: Encoded) -> Encoded:
    """Constant fields written into the bytes."""
    data = bytearray(encoded.data)
    for field in encoded.fields:
        if field.value.is_constant:
            data[field.offset:field.offset + field.width] = to_bytes(field.value.constant, field.width)
    return Encoded(bytes(data), tuple(f for f in encoded.fields if not f.value.is_constant))


# By Keystone

def by_keystone(mnemonic: str, operands: tuple[Operand, ...]) -> Encoded:
    """The encoding that Keystone gives. Raises Mistake if it has none."""
    slots: list[Linear] = []
    width = 2 if mnemonic in FRAME else _width(operands)
    rendered = ", ".join(_render(o, slots, width) for o in operands)
    template = f"{mnemonic} {rendered}" if rendered else mnemonic
    if not slots:
        return Encoded(encoder.encode(template))
    for width in (4, 2, 1):
        try:
            return _with_fields(template, slots, [4] * (len(slots) - 1) + [width])      # an immediate is the last
        except Mistake:
            if not any(isinstance(o, Immediate) for o in operands):
                raise
    raise Mistake(f"no form of {mnemonic} takes these operands")


def _with_fields(template: str, slots: list[Linear], widths: list[int]) -> Encoded:
    """Encode with stand-ins for the symbolic values and find where they went."""
    first = [_FIRST[width] for width in widths]
    data = encoder.encode(template.format(*map(hex, first)))
    fields = []
    for i, value in enumerate(slots):
        other = [*first[:i], _SECOND[widths[i]], *first[i + 1:]]
        second = encoder.encode(template.format(*map(hex, other)))
        places = [k for k, (a, b) in enumerate(zip(data, second, strict=False)) if a != b]
        if len(second) != len(data) or not places or places != list(range(places[0], places[0] + len(places))):
            raise Mistake("a symbol cannot stand here: the encoding has no field for it")
        fields.append(Field(places[0], len(places), value))
    blank = bytearray(data)
    for field in fields:
        blank[field.offset:field.offset + field.width] = bytes(field.width)
    return Encoded(bytes(blank), tuple(fields))


def _render(operand: Operand, slots: list[Linear], width: int) -> str:
    """An operand in the encoder's grammar; a symbolic value becomes the next slot."""
    match operand:
        case Register(name):
            return name
        case Memory():
            size = next((word for word, size in registers.OPERAND_SIZE.items() if size == operand.size), "")
            parts = [operand.base] if operand.base else []
            if operand.index:
                parts.append(f"{operand.index}*{operand.scale}")
            if not operand.displacement.is_constant:
                parts.append(_slot(operand.displacement, slots))
            elif operand.displacement.constant or not parts:
                parts.append(hex(_fitting(operand.displacement.constant, 4, "displacement") & 0xFFFFFFFF))
            return f"{size} ptr [{'+'.join(parts)}]".removeprefix(" ptr ")
        case Immediate(value):
            return _slot(value, slots) if not value.is_constant else hex(_fitting(value.constant, width, "value"))
    raise Mistake("a far pointer cannot stand here")


def _slot(value: Linear, slots: list[Linear]) -> str:
    slots.append(value)
    return f"{{{len(slots) - 1}}}"


def _width(operands: tuple[Operand, ...]) -> int:
    """Bytes of what the instruction works on: of its first register or sized memory operand, at most 4."""
    for operand in operands:
        if isinstance(operand, Register):
            return min(4, registers.SIZE[operand.name])
        if isinstance(operand, Memory) and operand.size:
            return min(4, operand.size)
    return 4


def _fitting(value: int, width: int, what: str) -> int:
    """`value` if a field of `width` bytes can hold it, signed or unsigned. Raises Mistake."""
    bits = 8 * width
    if not -(1 << bits - 1) <= value < 1 << bits:
        name = {1: "a byte", 2: "a word", 4: "a doubleword", 8: "a quadword"}[width]
        raise Mistake(f"the {what} {value:#x} does not fit in {name}")
    return value


def to_bytes(value: int, width: int) -> bytes:
    """`value` in `width` bytes, lowest first. Raises Mistake unless it fits, signed or unsigned."""
    return (_fitting(value, width, "value") & (1 << 8 * width) - 1).to_bytes(width, "little")
