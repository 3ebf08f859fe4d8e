"""The linker: object files become a program at fixed addresses.

Memory layout, each section on pages of its own so that no code page can be written to:

    base - physical_offset   .boot*     virtual = physical: code and data that run before paging
    then, at physical + physical_offset
                             .text      r-x
                             .rodata    r--
                             .data      rw-
                             .bss       rw-

Physical addresses run through; a virtual address behind the boot sections is the physical one plus `physical_offset`.
Symbols that the linker defines: __boot_start and __boot_end (physical), __text_start and __text_end, likewise for
rodata, data and bss, __image_start and __image_end (virtual), __image_physical_start and __image_physical_end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath

from loader.errors import Mistake
from loader.expression import Linear, resolve
from loader.object import R_386_32, R_386_PC32, SECTION_ORDER, ObjectFile, Relocation, Symbol, padding, section_kind
from loader.symbols import LineMap, SymbolTable

FLAGS = {"text": "r-x", "rodata": "r--", "data": "rw-", "bss": "rw-"}      # by kind of section
LEAST_ALIGN = {"text": 16, "rodata": 4, "data": 4, "bss": 4}               # where one file's piece may begin, bytes
TOP = 1 << 32               # addresses end here


class LinkError(Exception):
    """The objects do not make a program: one line for each reason, in `errors`."""

    def __init__(self, errors: Sequence[str]) -> None:
        self.errors = list(errors)
        super().__init__("\n".join(self.errors))


@dataclass(frozen=True)
class ProgramSegment:
    """A run of memory to be loaded."""

    virtual: int            # address of its first byte when it runs
    physical: int           # where it is loaded
    data: bytes             # what the file holds
    memory_size: int        # bytes in memory; what `data` does not cover is zero
    flags: str              # r-x, r-- or rw-
    name: str               # of its section


@dataclass(frozen=True)
class ProgramSymbol:
    """A named address of a program."""

    name: str               # a name that only its file knows is name@file if another file has it too
    address: int            # virtual
    size: int               # bytes up to the next symbol or the end of its file's piece; 0 for the linker's own
    kind: str               # func, object, or "" for the linker's own
    is_global: bool         # exported by its file
    section: str            # "" for the linker's own


@dataclass
class Program:
    """What is to be loaded, and the names for it."""

    name: str
    entry: int                                              # virtual address of the first instruction
    segments: list[ProgramSegment]
    defined: list[ProgramSymbol]                            # by address
    lines: LineMap = field(default_factory=LineMap)

    @cached_property
    def symbols(self) -> dict[str, int]:
        """Name to virtual address."""
        return {symbol.name: symbol.address for symbol in self.defined}

    @cached_property
    def symbol_table(self) -> SymbolTable:
        """The same, both ways."""
        return SymbolTable((s.name, s.address, s.size) for s in self.defined)


def link(objects: Sequence[ObjectFile], *, base: int, entry: str, physical_offset: int = 0, page: int = 4096,
         name: str = "program") -> Program:
    """Link `objects` into a program that starts at the global symbol `entry`.

    `base`: virtual address of the first page; `physical_offset`: virtual minus physical address; `page`: what sections
    are aligned to, bytes. Raises LinkError.
    """
    return _Linker(objects, base, physical_offset, page).link(entry, name)


@dataclass
class _Placed:
    """A section of the program."""

    name: str
    virtual: int
    physical: int
    data: bytearray
    size: int               # in memory, bytes


class _Linker:
    """One run of the linker."""

    def __init__(self, objects: Sequence[ObjectFile], base: int, physical_offset: int, page: int) -> None:
        self._objects = objects
        self._physical = base - physical_offset             # where the next section goes
        self._physical_offset = physical_offset
        self._page = page
        self._sections: dict[str, _Placed] = {}
        self._pieces: dict[tuple[int, str], int] = {}       # (object, section): virtual address of its piece
        self._globals: dict[str, tuple[int, Symbol]] = {}   # name: value and definition
        self._boundaries: dict[str, int] = {}
        self._errors: list[str] = []
        for what, value in (("base", base), ("physical_offset", physical_offset)):
            if value % page or not 0 <= value < TOP:
                self._errors.append(f"link: {what} {value:#x} must be a multiple of the page size {page:#x}")
        if self._physical < 0:
            self._errors.append(f"link: base {base:#x} lies below physical_offset {physical_offset:#x}")
        self._stop_at_errors()

    def link(self, entry: str, name: str) -> Program:
        self._place()
        self._collect_globals()
        for index, object_file in enumerate(self._objects):
            for relocation in object_file.relocations:
                self._relocate(index, relocation)
            self._check_assertions(index)
        self._check_entry(entry)
        self._stop_at_errors()
        segments = [ProgramSegment(s.virtual, s.physical, bytes(s.data), s.size, FLAGS[section_kind(s.name)], s.name)
                    for s in self._sections.values() if s.size]
        return Program(name, self._globals[entry][0], segments, self._symbols(), LineMap(self._lines()))

    def _stop_at_errors(self) -> None:
        if self._errors:
            raise LinkError(self._errors)

    def _check_entry(self, entry: str) -> None:
        if entry not in self._globals:
            self._errors.append(f"link: no entry point: no file has a global symbol {entry!r}")
            return
        symbol = self._globals[entry][1]
        if symbol.section is None or section_kind(symbol.section) != "text":
            self._errors.append(f"{symbol.file}:{symbol.line}: the entry point {entry} is not in a code section")

    # Layout

    def _place(self) -> None:
        start = self._physical
        for name in SECTION_ORDER:
            self._place_section(name)
            if name == ".boot.bss":
                self._boundary("boot", start, self._physical)
        self._boundary("image_physical", start, self._physical)
        self._boundary("image", start + self._physical_offset, self._physical + self._physical_offset)

    def _place_section(self, name: str) -> None:
        kind, is_boot = section_kind(name), name.startswith(".boot")
        virtual = self._physical if is_boot else self._physical + self._physical_offset
        section = _Placed(name, virtual, self._physical, bytearray(), 0)
        for index, object_file in enumerate(self._objects):
            piece = object_file.sections.get(name)
            if piece is None:
                continue
            align = max(piece.align, LEAST_ALIGN[kind]) if piece.size else 1
            gap = -(virtual + section.size) % align
            if kind != "bss":
                section.data += padding(name, gap) + piece.data
            self._pieces[index, name] = virtual + section.size + gap
            section.size += gap + piece.size
        if virtual + section.size > TOP:
            raise LinkError([*self._errors, f"link: {name} ends at {virtual + section.size:#x}, beyond 4 GiB"])
        self._sections[name] = section
        if not is_boot:
            self._boundary(kind, virtual, virtual + section.size)
        self._physical += section.size + -section.size % self._page

    def _boundary(self, name: str, start: int, end: int) -> None:
        self._boundaries |= {f"__{name}_start": start, f"__{name}_end": end}

    # Symbols

    def _collect_globals(self) -> None:
        for index, object_file in enumerate(self._objects):
            for name, symbol in object_file.symbols.items():
                if not symbol.is_global:
                    continue
                if name in self._boundaries:
                    self._errors.append(f"{symbol.file}:{symbol.line}: {name} is defined by the linker")
                elif name in self._globals:
                    other = self._globals[name][1]
                    self._errors.append(f"{symbol.file}:{symbol.line}: {name} is already defined at "
                                        f"{other.file}:{other.line}")
                else:
                    self._globals[name] = self._value(index, symbol), symbol

    def _value(self, index: int, symbol: Symbol) -> int:
        return symbol.value + (self._pieces[index, symbol.section] if symbol.section else 0)

    def _address(self, index: int, name: str) -> int:
        """The value of what a relocation of object `index` names. Raises Mistake if nobody has it."""
        if not name:
            return 0
        if (index, name) in self._pieces:
            return self._pieces[index, name]
        if name in self._globals:
            return self._globals[name][0]
        if name in self._boundaries:
            return self._boundaries[name]
        owner = next((o.name for o in self._objects if name in o.symbols), None)
        hint = f"; {owner} has one that is not .global" if owner else ""
        raise Mistake(f"undefined symbol {name}{hint}")

    def _symbols(self) -> list[ProgramSymbol]:
        """Every symbol that is an address, by address; sizes reach to the next symbol of the piece."""
        found = [ProgramSymbol(name, address, 0, "", True, "") for name, address in self._boundaries.items()]
        taken = {*self._boundaries, *self._globals}
        for index, object_file in enumerate(self._objects):
            for name, symbol in object_file.symbols.items():
                if symbol.section is None:
                    continue
                unique = name
                if not symbol.is_global:
                    others = sum(name in o.symbols and o.symbols[name].section is not None for o in self._objects)
                    unique = _fresh(f"{name}@{PurePath(object_file.name).stem}" if others > 1 else name, taken)
                    taken.add(unique)
                found.append(ProgramSymbol(unique, self._value(index, symbol), self._size(object_file, symbol),
                                           symbol.kind, symbol.is_global, symbol.section))
        return sorted(found, key=lambda s: s.address)

    def _size(self, object_file: ObjectFile, symbol: Symbol) -> int:
        assert symbol.section is not None
        later = [s.value for s in object_file.symbols.values()
                 if s.section == symbol.section and s.value > symbol.value]
        return min(later, default=object_file.sections[symbol.section].size) - symbol.value

    def _lines(self) -> list[tuple[int, str, int]]:
        """The line map: where a piece ends, so do its lines."""
        found = []
        for (index, section), start in self._pieces.items():
            object_file = self._objects[index]
            found.append((start + object_file.sections[section].size, "", 0))
        for index, object_file in enumerate(self._objects):
            found += [(self._pieces[index, section] + offset, file, line)
                      for section, offset, file, line in object_file.lines]
        return found

    # Fields

    def _relocate(self, index: int, relocation: Relocation) -> None:
        section = self._sections[relocation.section]
        place = self._pieces[index, relocation.section] + relocation.offset
        try:
            value = self._relocated(index, relocation, place)
            bits = 8 * relocation.width
            if relocation.kind != R_386_PC32 and not -(1 << bits - 1) <= value < 1 << bits:
                raise Mistake(f"the value {value:#x} does not fit in {relocation.width} bytes")
        except Mistake as mistake:
            self._errors.append(f"{relocation.file}:{relocation.line}: {mistake}")
            return
        start = place - section.virtual
        section.data[start:start + relocation.width] = (value % (1 << bits)).to_bytes(relocation.width, "little")

    def _relocated(self, index: int, relocation: Relocation, place: int) -> int:
        """The field's value (System V ABI, i386 supplement, table 4.4)."""
        if relocation.kind in (R_386_32, R_386_PC32):
            value = self._address(index, relocation.symbol) + relocation.addend
            return value - place if relocation.kind == R_386_PC32 else value
        assert relocation.value is not None
        return self._number(index, relocation.value)

    def _number(self, index: int, value: Linear) -> int:
        return resolve(value, lambda name: Linear(self._address(index, name))).constant

    def _check_assertions(self, index: int) -> None:
        for assertion in self._objects[index].assertions:
            try:
                if not self._number(index, assertion.value):
                    raise Mistake(assertion.text)
            except Mistake as mistake:
                self._errors.append(f"{assertion.file}:{assertion.line}: {mistake}")


def _fresh(name: str, taken: set[str]) -> str:
    """`name`, or with a number if it is taken."""
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name}.{count}"
    return candidate
