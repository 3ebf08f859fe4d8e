"""The names of one file: labels, local labels with their scopes, values, and constants from outside."""

from __future__ import annotations

import re
from collections.abc import Mapping

from loader.assembler import registers
from loader.assembler.pieces import Label
from loader.errors import AssemblyError, Mistake, Place
from loader.expression import Linear, name, resolve, single
from loader.object import SECTION_ORDER, Symbol, section_kind

DEEPEST = 50                # symbols defined by symbols that are defined further down

_LOCAL = ".L"               # how the name of a local label begins


class Names:
    """What each name of a file means, while it is read (`known`) and when its layout is known (`final`).

    The local label .Lx below the label f is kept as f.Lx; a place without a label as a dot and a number.
    """

    def __init__(self, constants: Mapping[str, int]) -> None:
        self.constants = constants
        self.globals: dict[str, Place] = {}             # exported names, and where that was said
        self._labels: dict[str, Label] = {}
        self._values: dict[str, Linear] = {}            # of .equ, .set and =
        self._fixed: set[str] = set()                   # values that may not change: those of .equ
        self._defined: dict[str, Place] = {}            # where each label and value is
        self._scope = ""                                # the last label that is not local
        self._resolving: list[str] = []                 # values being resolved, each by means of the next

    # Definitions

    def define_label(self, text: str, label: Label) -> None:
        """The label `text` stands at `label`. Raises Mistake if the name is bad or taken."""
        if text.startswith(".") and not text.startswith(_LOCAL):
            raise Mistake(f"{text}: a local label begins with .L, another with a letter or _")
        symbol = self._scope + text if text.startswith(_LOCAL) else symbol_name(text)
        self._must_be_new(symbol)
        if not text.startswith(_LOCAL):
            self._scope = symbol
        self._labels[symbol] = label
        self._defined[symbol] = label.place

    def define(self, symbol: str, value: Linear, place: Place, may_change: bool) -> None:
        """Give `symbol` a value. Raises Mistake if it is taken, or has a value that may not change."""
        if symbol not in self._values or symbol in self._fixed or not may_change:
            self._must_be_new(symbol)
        self._values[symbol] = value
        self._defined.setdefault(symbol, place)
        if not may_change:
            self._fixed.add(symbol)

    def place_of(self, label: Label) -> Linear:
        """The address of `label`, which has no name."""
        symbol = f".{len(self._labels)}"
        self._labels[symbol] = label
        return name(symbol)

    def _must_be_new(self, symbol: str) -> None:
        if symbol in self.constants:
            raise Mistake(f"{symbol} is a constant given from outside")
        if symbol in self._defined:
            before = self._defined[symbol]
            raise Mistake(f"{shown(symbol)} is already defined at {before.file}:{before.line}")

    # Meanings

    def is_defined(self, symbol: str) -> bool:
        """Whether a label, value or constant of that name is known so far."""
        return symbol in self._defined or symbol in self.constants or self._scope + symbol in self._defined

    def known(self, symbol: str) -> Linear:
        """What is known of a name at this point of the source. Raises Mistake for what cannot be a symbol."""
        if registers.is_reserved(symbol):
            raise Mistake(f"{symbol} cannot be used in an expression")
        if symbol.startswith("."):
            if not symbol.startswith(_LOCAL):
                raise Mistake(f"{symbol} is no symbol: a local label begins with .L")
            return name(self._scope + symbol)
        if symbol in self._values:
            return self._values[symbol]
        if symbol in self.constants:
            return Linear(self.constants[symbol])
        return name(symbol)

    def final(self, symbol: str) -> Linear:
        """What a name means in the end: section plus offset, a number, or itself if no symbol here has it.

        Raises Mistake for a label that is not placed yet, a local label that does not exist, or a circle.
        """
        label = self._labels.get(symbol)
        if label:
            if label.fragment.offset is None:
                raise Mistake(f"the size depends on {shown(symbol)}, which comes later")
            return Linear(label.fragment.offset + label.offset, ((label.section, 1),))
        if symbol in self._values:
            return self._final_value(symbol)
        if _LOCAL in symbol:
            raise Mistake(f"no label {shown(symbol)} below {symbol.partition('.')[0] or 'the top of the file'}")
        return name(symbol)

    def _final_value(self, symbol: str) -> Linear:
        if symbol in self._resolving:
            raise Mistake(f"{symbol} is defined by itself")
        if len(self._resolving) > DEEPEST:
            raise Mistake(f"{symbol} is defined by too long a chain of symbols")
        self._resolving.append(symbol)
        try:
            return resolve(self._values[symbol], self.final)
        finally:
            self._resolving.pop()

    # The end of the file

    def symbols(self, errors: list[AssemblyError]) -> dict[str, Symbol]:
        """Labels that are not local, and values that are a number or a place in this file; all must be placed."""
        found = {}
        for symbol, place in self._defined.items():
            if _LOCAL in symbol:
                continue
            try:
                made = self._symbol(symbol, place)
                if made:
                    found[symbol] = made
            except Mistake as mistake:
                errors.append(place.error(str(mistake)))
        return found

    def _symbol(self, symbol: str, place: Place) -> Symbol | None:
        value = self.final(symbol)
        section = single(value)
        is_global = symbol in self.globals
        if section == "":
            return Symbol(None, value.constant, is_global, "", place.file, place.line)
        if section in SECTION_ORDER:
            kind = "func" if section_kind(section) == "text" else "object"
            return Symbol(section, value.constant, is_global, kind, place.file, place.line)
        if is_global:
            raise Mistake(f"{symbol} cannot be global: it is neither a number nor a place in this file")
        return None

    def check_globals(self, errors: list[AssemblyError]) -> None:
        """Every global must be defined, and every global routine have a contract."""
        for symbol, place in self.globals.items():
            label = self._labels.get(symbol)
            if symbol not in self._defined:
                errors.append(place.error(f"{symbol} is global and is not defined in this file"))
            elif label and section_kind(label.section) == "text" and not label.has_contract:
                errors.append(label.place.error(
                    f"{symbol} is a global routine without a contract: directly above it, say in a comment what it "
                    "does, takes, returns and clobbers"))


def symbol_name(text: str) -> str:
    """`text` if it can name a symbol. Raises Mistake."""
    if not re.fullmatch(r"[A-Za-z_]\w*", text, re.ASCII):
        raise Mistake(f"{text!r} cannot name a symbol")
    if registers.is_reserved(text):
        raise Mistake(f"{text} is a register or keyword and cannot name a symbol")
    return text


def shown(symbol: str) -> str:
    """A symbol as written in the source."""
    if _LOCAL in symbol:
        return symbol[symbol.index(_LOCAL):]
    return "the location" if symbol.startswith(".") else symbol
