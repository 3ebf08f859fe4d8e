"""What the addresses of a run are called: the symbols and source lines of its image, apart from the image.

A trace carries them, so that it can be read where the image is not. Programs lie at the same addresses as each other;
without a program's name an address of the kernel is looked up first, then all programs that have it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emu.cpu.x86 import HAS_ERROR_CODE, Vector
from loader.symbols import LineMap, SymbolTable

if TYPE_CHECKING:
    from loader.image import Image

VECTORS = frozenset(Vector)


@dataclass(frozen=True)
class Names:
    """Symbols and lines of a kernel and its programs; the attributes are called as those of `loader.image.Image`."""

    symbols: SymbolTable = field(default_factory=SymbolTable)               # of the kernel
    lines: LineMap = field(default_factory=LineMap)                         # of the kernel
    programs: Mapping[str, SymbolTable] = field(default_factory=dict)       # by program
    program_lines: Mapping[str, LineMap] = field(default_factory=dict)      # by program

    @classmethod
    def of(cls, image: Image | None) -> Names:
        """Those of an image; none if there is no image."""
        return cls() if image is None else cls(image.symbols, image.lines, image.programs, image.program_lines)

    @classmethod
    def from_json(cls, data: bytes) -> Names:
        """Those that `as_json` gave. Raises ValueError for anything else."""
        try:
            values = json.loads(data)
            files = values["files"]
            symbols = {name: SymbolTable(map(tuple, rows)) for name, rows in values["symbols"].items()}
            lines = {name: LineMap((address, files[file], line) for address, file, line in rows)
                     for name, rows in values["lines"].items()}
            return cls(symbols.pop(""), lines.pop(""), symbols, lines)
        except (KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise ValueError(f"not a table of names: {error!r}") from None

    def as_json(self) -> bytes:
        """All of it. The kernel's tables have the empty name."""
        lines = {"": self.lines, **self.program_lines}
        files = {file: number for number, file in enumerate(dict.fromkeys(
            file for table in lines.values() for _, file, _ in table.entries))}
        values: dict[str, Any] = {
            "files": list(files),
            "symbols": {name: [(symbol, table.address(symbol), table.size(symbol)) for symbol in table]
                        for name, table in {"": self.symbols, **self.programs}.items()},
            "lines": {name: [(address, files[file], line) for address, file, line in table.entries]
                      for name, table in lines.items()},
        }
        return json.dumps(values, separators=(",", ":")).encode()

    def find(self, address: int, program: str = "") -> tuple[str, str, int] | None:
        """(program, symbol, distance from its start) of a linear address; the kernel is the program "".

        Without a `program`, programs are searched in the order of the image.
        """
        for name in ("", *([program] if program else self.programs)):
            table = self.symbols if not name else self.programs.get(name)
            found = table.find(address) if table else None
            if found:
                return name, *found
        return None

    def name(self, address: int, program: str = "") -> str:
        """`address` as people read it: symbol+0x12, PROGRAM:symbol+0x12, or plain hexadecimal."""
        found = self.find(address, program)
        if found is None:
            return f"{address:#x}"
        owner, symbol, offset = found
        return f"{owner}{':' if owner else ''}{symbol}{f'+{offset:#x}' if offset else ''}"

    def line(self, address: int, program: str = "") -> tuple[str, int] | None:
        """(file, line) of an address that `find` finds, None if it comes from no source line."""
        found = self.find(address, program)
        lines = {"": self.lines, **self.program_lines}.get(found[0]) if found else None
        return lines.find(address) if lines else None

    def resolve(self, text: str) -> tuple[int, str]:
        """(linear address, program) that `text` names: a number, or [PROGRAM:]SYMBOL[+OFFSET]; "" for no program.

        Raises ValueError with one line for a name that is not there.
        """
        name, _, offset = text.partition("+")
        try:
            if text[:1].isdigit():
                return int(text, 0), ""
            distance = int(offset, 0) if offset else 0
        except ValueError:
            raise ValueError(f"{text!r} is neither an address nor a symbol: give 0x..., SYMBOL or SYMBOL+0x..."
                             ) from None
        addresses = self.addresses()
        if name in addresses:
            return addresses[name] + distance, name.rpartition(":")[0]
        near = difflib.get_close_matches(name, addresses, n=1)
        hint = (f"did you mean {near[0]}?" if near else "see the map of trapline build" if addresses
                else "give an address")
        raise ValueError(f"the image has no symbol {name!r}: {hint}")

    def addresses(self) -> dict[str, int]:
        """Every symbol: NAME of the kernel, PROGRAM:NAME of a program."""
        return dict(self.symbols.items()) | {
            f"{program}:{name}": address for program, table in self.programs.items() for name, address in table.items()}


def exception_name(vector: int, error: int) -> str:
    """An exception of the processor, with its error code if it has one: #PF error 0x4."""
    name = f"#{Vector(vector).name}" if vector in VECTORS else f"exception {vector}"
    return f"{name} error {error:#x}" if HAS_ERROR_CODE >> vector & 1 else name
