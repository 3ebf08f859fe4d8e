"""Directives that put data into a section, and the few that say something about a section or a symbol."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from loader.assembler import macros, reader
from loader.assembler.names import Names, symbol_name
from loader.assembler.pieces import LARGEST, AlignTail, Piece, SpaceTail
from loader.assembler.source import Line
from loader.assembler.tokens import STRING, unquote
from loader.errors import Mistake, Place
from loader.expression import Linear
from loader.object import SECTION_ORDER

MOST_ALIGNED = 4 << 20      # bytes: the largest page

_WIDTHS = {".byte": 1, ".short": 2, ".word": 2, ".hword": 2, ".long": 4, ".dword": 4, ".int": 4, ".quad": 8}


class Unit(Protocol):
    """What directives need of the file that is being assembled."""

    piece: Piece                    # the section being written
    names: Names                    # the symbols of the file
    include: list[Path]             # directories for .incbin

    def value(self, text: str) -> Linear:
        """The value of an expression, as far as it is known."""
        ...

    def constant(self, text: str) -> int:
        """The value of an expression that must be known by now."""
        ...

    def switch(self, section: str) -> None:
        """Write to another section from now on."""
        ...

    def claim(self, value: Linear, text: str) -> None:
        """Check when the addresses are known that a value is not 0; else `text` is an error."""
        ...

    def used_file(self, path: Path) -> None:
        """Remember that the result depends on a file."""
        ...


def run(unit: Unit, word: str, rest: str, line: Line) -> None:
    """Carry out the directive `word`. Raises Mistake."""
    if word in _WIDTHS:
        _data(unit, _WIDTHS[word], rest, line.place)
    elif word in SECTION_ORDER and not rest:
        unit.switch(word)
    elif word in _DIRECTIVES:
        _DIRECTIVES[word](unit, rest, line)
    else:
        raise Mistake(f"unknown directive {word}")


def _data(unit: Unit, width: int, rest: str, place: Place) -> None:
    pieces = macros.split(rest)
    if not pieces:
        raise Mistake("values are missing")
    for piece in pieces:
        unit.piece.emit_field(width, unit.value(piece), place)


def _text(unit: Unit, rest: str, end: bytes) -> None:
    pieces = macros.split(rest)
    if not pieces or not all(re.fullmatch(STRING, piece, re.DOTALL) for piece in pieces):
        raise Mistake('a string in double quotes is needed: "text\\n"')
    for piece in pieces:
        unit.piece.emit(unquote(piece) + end)


def _space(unit: Unit, rest: str, line: Line) -> None:
    pieces = macros.split(rest)
    if len(pieces) not in (1, 2):
        raise Mistake(".space takes a size in bytes, and a fill byte if it is not 0")
    fill = unit.constant(pieces[1]) if len(pieces) == 2 else 0
    if not -128 <= fill <= 255:
        raise Mistake(f"the fill byte {fill:#x} does not fit in a byte")
    unit.piece.close(SpaceTail(unit.value(pieces[0]), fill & 0xFF, line.place))


def _fill(unit: Unit, rest: str, line: Line) -> None:
    pieces = macros.split(rest)
    if not 1 <= len(pieces) <= 3:
        raise Mistake(".fill takes count, size (default 1), value (default 0)")
    count, size, value = (unit.constant(text) for text in [*pieces, *("", "1", "0")[len(pieces):]])
    if size not in (1, 2, 4, 8):
        raise Mistake(f".fill repeats values of 1, 2, 4 or 8 bytes, not {size}")
    if not 0 <= count * size <= LARGEST:
        raise Mistake(f".fill {count}: the count is out of range")
    if not -(1 << 8 * size - 1) <= value < 1 << 8 * size:
        raise Mistake(f"the value {value:#x} does not fit in {size} bytes")
    unit.piece.emit((value & (1 << 8 * size) - 1).to_bytes(size, "little") * count)


def _align(unit: Unit, rest: str, line: Line) -> None:
    alignment = unit.constant(rest)
    if alignment < 1 or alignment & alignment - 1 or alignment > MOST_ALIGNED:
        raise Mistake(f".align {alignment}: a power of two up to {MOST_ALIGNED:#x} is needed")
    unit.piece.align = max(unit.piece.align, alignment)
    unit.piece.close(AlignTail(alignment))


def _section(unit: Unit, rest: str, line: Line) -> None:
    if rest.strip() not in SECTION_ORDER:
        raise Mistake(f"no section {rest.strip()!r}: there are {' '.join(SECTION_ORDER)}")
    unit.switch(rest.strip())


def _global(unit: Unit, rest: str, line: Line) -> None:
    names = macros.split(rest)
    if not names:
        raise Mistake(".global needs names")
    for symbol in names:
        unit.names.globals.setdefault(symbol_name(symbol), line.place)


def _equ(unit: Unit, rest: str, line: Line, may_change: bool) -> None:
    symbol, comma, value = rest.partition(",")
    if not comma:
        raise Mistake("a name and a value are needed: .equ NAME, value")
    unit.names.define(symbol_name(symbol.strip()), unit.value(value), line.place, may_change)


def _assert(unit: Unit, rest: str, line: Line) -> None:
    pieces = macros.split(rest)
    if len(pieces) not in (1, 2) or not re.fullmatch(STRING, (*pieces, '""')[1], re.DOTALL):
        raise Mistake('an expression and a text are needed: .assert size <= 512, "the sector is full"')
    text = unquote(pieces[1]).decode("utf-8", "replace") if len(pieces) == 2 else f"not so: {pieces[0]}"
    unit.claim(unit.value(pieces[0]), text)


def _incbin(unit: Unit, rest: str, line: Line) -> None:
    if not re.fullmatch(STRING, rest):
        raise Mistake('.incbin needs a file name in quotes: .incbin "font.bin"')
    path = reader.locate(rest[1:-1], line.source, unit.include).path
    assert path is not None
    try:
        if path.stat().st_size > LARGEST:
            raise Mistake(f"{path} is larger than {LARGEST >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise Mistake(f"cannot read {path}: {error.strerror}") from None
    unit.used_file(path)
    unit.piece.emit(data)


_DIRECTIVES: dict[str, Callable[[Unit, str, Line], None]] = {
    ".section": _section,
    ".global": _global,
    ".globl": _global,
    ".align": _align,
    ".balign": _align,
    ".space": _space,
    ".skip": _space,
    ".fill": _fill,
    ".ascii": lambda unit, rest, line: _text(unit, rest, b""),
    ".asciz": lambda unit, rest, line: _text(unit, rest, b"\0"),
    ".string": lambda unit, rest, line: _text(unit, rest, b"\0"),
    ".equ": lambda unit, rest, line: _equ(unit, rest, line, may_change=False),
    ".set": lambda unit, rest, line: _equ(unit, rest, line, may_change=True),
    ".assert": _assert,
    ".incbin": _incbin,
}
