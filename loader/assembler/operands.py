"""Operands as written, in Intel syntax: registers, memory, immediates, far pointers."""

from __future__ import annotations

from dataclasses import dataclass

from loader.assembler import registers
from loader.assembler.tokens import Cursor
from loader.errors import Mistake
from loader.expression import Linear, Lookup, name

_MARK = "%"                 # in front of a register's name where it stands in an expression


@dataclass(frozen=True, slots=True)
class Register:
    """A register by its lower-case name; floating-point registers are st(0) to st(7)."""

    name: str


@dataclass(frozen=True, slots=True)
class Memory:
    """[base + index*scale + displacement] in a segment."""

    size: int               # bytes, 0 if not said
    segment: str            # override, "" if not said
    base: str               # register or ""
    index: str              # register or ""
    scale: int              # 1, 2, 4 or 8
    displacement: Linear
    far: bool               # `far [...]`: the address of a far pointer


@dataclass(frozen=True, slots=True)
class Immediate:
    """A value in the instruction, or a branch's target."""

    value: Linear
    size: int               # bytes, 0 if not said
    distance: str           # short or near if said, else ""


@dataclass(frozen=True, slots=True)
class FarPointer:
    """selector:offset."""

    selector: Linear
    offset: Linear


Operand = Register | Memory | Immediate | FarPointer


def parse(text: str, lookup: Lookup) -> tuple[Operand, ...]:
    """The operands in `text`, separated by commas. Raises Mistake."""
    return _Parser(text, lookup).operands()


class _Parser:
    """Reads the operands of one instruction."""

    def __init__(self, text: str, lookup: Lookup) -> None:
        self._cursor = Cursor(text, self._name)
        self._lookup = lookup
        self._in_brackets = False

    def operands(self) -> tuple[Operand, ...]:
        found: list[Operand] = []
        if self._cursor.peek.kind != "end":
            found.append(self._operand())
            while self._cursor.accept(","):
                found.append(self._operand())
        self._cursor.finish()
        return tuple(found)

    def _name(self, word: str) -> Linear:
        """What a name in an expression means here."""
        if self._in_brackets and word.lower() in registers.GENERAL_32:
            return name(_MARK + word.lower())
        if registers.is_reserved(word):
            where = "in an address" if self._in_brackets else "in an expression"
            raise Mistake(f"{word} cannot be used {where}")
        return self._lookup(word)

    def _operand(self) -> Operand:
        size, distance = self._size(), self._distance()
        size = size or self._size()
        segment = self._segment()
        if segment and self._cursor.peek.text != "[":
            if size or distance:
                raise Mistake(f"a size keyword does not belong to the register {segment}")
            return Register(segment)
        if self._cursor.peek.text == "[":
            return self._memory(size, segment, distance)
        register = self._register()
        if register:
            if size or distance:
                raise Mistake(f"a size keyword does not belong to the register {register}")
            return Register(register)
        self._cursor.accept("offset")
        value = self._cursor.expression()
        if self._cursor.accept(":"):
            if distance not in ("", "far") or size:
                raise Mistake("a far pointer is written selector:offset")
            return FarPointer(value, self._cursor.expression())
        if self._cursor.peek.text == "[":
            raise Mistake("put the whole address into the brackets: [label + register]")
        if distance == "far":
            raise Mistake("far needs an address in brackets, or selector:offset")
        return Immediate(value, size, distance)

    def _size(self) -> int:
        word = self._cursor.accept_any(registers.OPERAND_SIZE)
        if word:
            self._cursor.accept("ptr")
        return registers.OPERAND_SIZE.get(word, 0)

    def _distance(self) -> str:
        word = self._cursor.accept_any(("far", "near", "short"))
        if word:
            self._cursor.accept("ptr")
        return word

    def _segment(self) -> str:
        """A segment register, with its colon if it has one; "" if none comes."""
        word = self._cursor.accept_any(registers.SEGMENT)
        if word and self._cursor.accept(":") and self._cursor.peek.text != "[" and not self._in_brackets:
            raise Mistake(f"write {word}:[address]")
        return word

    def _register(self) -> str:
        word = self._cursor.peek.text.lower()
        if self._cursor.peek.kind != "name":
            return ""
        if word == "st":
            self._cursor.take()
            number = 0
            if self._cursor.accept("("):
                digit = self._cursor.take().text
                if digit not in "01234567" or len(digit) != 1:
                    raise Mistake("floating-point registers are st(0) to st(7)")
                number = int(digit)
                self._cursor.expect(")")
            return f"st({number})"
        if word in registers.SIZE:
            self._cursor.take()
            return word
        return ""

    def _memory(self, size: int, segment: str, distance: str) -> Memory:
        if distance == "short":
            raise Mistake("short belongs to a branch to a label")
        self._cursor.expect("[")
        self._in_brackets = True
        inner = self._segment()
        if inner and segment:
            raise Mistake("two segment overrides")
        value = self._cursor.expression()
        self._in_brackets = False
        self._cursor.expect("]")
        if self._cursor.peek.text == "[":
            raise Mistake("put the whole address into one pair of brackets")
        base, index, scale, displacement = _address(value)
        far = distance == "far" or size == 6
        return Memory(size, segment or inner, base, index, scale, displacement, far)


def _address(value: Linear) -> tuple[str, str, int, Linear]:
    """Base, index, scale and displacement of an address. Raises Mistake if no addressing form (SDM 2.1.5) fits."""
    if any(n.startswith(_MARK) for atom, _ in value.terms if not isinstance(atom, str)
           for operand in atom.operands for n in operand.names):
        raise Mistake("registers in an address can only be added, and multiplied by 1, 2, 4 or 8")
    plain = {atom[1:]: c for atom, c in value.terms if isinstance(atom, str) and atom.startswith(_MARK)}
    rest = tuple((atom, c) for atom, c in value.terms if not (isinstance(atom, str) and atom.startswith(_MARK)))
    base = index = ""
    scale = 1
    for register, coefficient in plain.items():
        if coefficient == 1 and not base:
            base = register
        elif coefficient in (1, 2, 4, 8) and not index:
            index, scale = register, coefficient
        elif coefficient in (3, 5, 9) and not base and not index:
            base, index, scale = register, register, coefficient - 1
        else:
            raise Mistake("no address form fits: at most base + index*scale + number, scale 1, 2, 4 or 8")
    if index == "esp" and scale == 1:
        base, index = index, base
    if index == "esp":
        raise Mistake("esp cannot be an index (SDM volume 2, table 2-3)")
    return base, index, scale, Linear(value.constant, rest)
