"""From addresses to names and source lines, and back: what every report of the host is labelled with."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

_BOUNDARY = re.compile(r"__\w+_(start|end)")        # defined by the linker: found by name, never by address


class SymbolTable:
    """Named addresses.

    A symbol with a size covers that many bytes; one without covers everything up to the next symbol. Where several
    stand at one address, the one given first names it.
    """

    def __init__(self, symbols: Iterable[tuple[str, int] | tuple[str, int, int]] = ()) -> None:
        """`symbols`: (name, address) or (name, address, size in bytes; 0 if unknown). The first of a name counts."""
        self._addresses: dict[str, int] = {}
        by_address: dict[int, tuple[str, int]] = {}
        for name, address, *size in symbols:
            self._addresses.setdefault(name, address)
            if not _BOUNDARY.fullmatch(name):
                by_address.setdefault(address, (name, size[0] if size else 0))
        self._starts = sorted(by_address)
        self._named = [by_address[start] for start in self._starts]

    def find(self, address: int) -> tuple[str, int] | None:
        """The symbol that covers `address` and the distance from its start, None if none does."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        name, size = self._named[index]
        offset = address - self._starts[index]
        return None if size and offset >= size else (name, offset)

    def name(self, address: int) -> str:
        """`address` as people read it: symbol, symbol+0x12, or plain hexadecimal if no symbol covers it."""
        found = self.find(address)
        if found is None:
            return f"{address:#x}"
        return f"{found[0]}+{found[1]:#x}" if found[1] else found[0]

    def address(self, name: str) -> int:
        """The address of `name`. Raises KeyError if there is no such symbol."""
        return self._addresses[name]

    def size(self, name: str) -> int:
        """Bytes that `name` covers, 0 if unknown. Raises KeyError if there is no such symbol."""
        address = self._addresses[name]
        index = bisect_right(self._starts, address) - 1
        return self._named[index][1] if index >= 0 and self._starts[index] == address else 0

    def items(self) -> list[tuple[str, int]]:
        """All (name, address), by address."""
        return sorted(self._addresses.items(), key=lambda item: item[1])

    def __contains__(self, name: object) -> bool:
        return name in self._addresses

    def __iter__(self) -> Iterator[str]:
        return iter(self._addresses)

    def __len__(self) -> int:
        return len(self._addresses)


class LineMap:
    """Which source line each address comes from."""

    def __init__(self, entries: Iterable[tuple[int, str, int]] = ()) -> None:
        """`entries`: (address, file, line); each holds up to the next. Line 0: no line from here on.

        Of several at one address, the last given counts.
        """
        by_address = {address: (file, line) for address, file, line in entries}
        self.entries = [(address, *by_address[address]) for address in sorted(by_address)]
        self._starts = [entry[0] for entry in self.entries]

    def find(self, address: int) -> tuple[str, int] | None:
        """(file, line) of `address`, None if it comes from no source line."""
        index = bisect_right(self._starts, address) - 1
        if index < 0:
            return None
        _, file, line = self.entries[index]
        return (file, line) if line else None

    def addresses(self, file: str, line: int) -> list[int]:
        """Where the code or data of a line begins, ascending; `file` is a full name or its last parts."""
        return [address for address, name, number in self.entries
                if number == line and (name == file or name.endswith("/" + file))]

    @property
    def files(self) -> list[str]:
        """The names of all files, in order of address."""
        return list(dict.fromkeys(file for _, file, line in self.entries if line))

    def __len__(self) -> int:
        return len(self.entries)
