"""How the ABI states a structure in memory: fields in address order, each a name, a width and a phrase.

Nothing here counts offsets twice: a `Layout` gives the assembler its `TCB_STATE` and `TCB_SIZE`, the host its
`decode`, and the reference page its table.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

from guest.abi.words import Word


@dataclass(frozen=True)
class Field:
    """One field of a layout, or (with width 0) the title of the group of fields that follows it."""

    name: str                            # lower case; empty for a title
    width: int                           # bytes
    phrase: str                          # what it holds
    word: type[Word] | None = None       # the numbers that it takes, if they have names

    def decode(self, data: bytes) -> int:
        """The little-endian integer in `data`; the `Word` member, where the field has named numbers and this is one."""
        value = int.from_bytes(data, "little")
        return next((word for word in self.word or () if word == value), value)


def group(title: str) -> Field:
    """The title of the fields that follow."""
    return Field("", 0, title)


def u8(name: str, phrase: str, word: type[Word] | None = None) -> Field:
    """A byte."""
    return Field(name, 1, phrase, word)


def u16(name: str, phrase: str, word: type[Word] | None = None) -> Field:
    """Two bytes."""
    return Field(name, 2, phrase, word)


def u32(name: str, phrase: str, word: type[Word] | None = None) -> Field:
    """Four bytes."""
    return Field(name, 4, phrase, word)


def gap(name: str, width: int, phrase: str) -> Field:
    """`width` bytes that nobody here looks into."""
    return Field(name, width, phrase)


class Layout:
    """A structure in memory. `prefix` begins its constants: field `state` of `TCB` is `TCB_STATE`."""

    def __init__(self, prefix: str, title: str, *fields: Field) -> None:
        """`fields` stand in address order, without holes. Raises ValueError if two have the same name."""
        self.prefix = prefix
        self.title = title
        self.fields = fields
        self.offsets: dict[str, int] = {}     # of each field, bytes from the start
        offset = 0
        for field in fields:
            if field.width and field.name in self.offsets:
                raise ValueError(f"{prefix}: two fields are called {field.name!r}")
            if field.width:
                self.offsets[field.name] = offset
            offset += field.width
        self.size = offset                    # bytes

    def constants(self) -> dict[str, int]:
        """What the assembler sees: PREFIX_FIELD = offset for every field, and PREFIX_SIZE."""
        names = {f"{self.prefix}_{name.upper()}": offset for name, offset in self.offsets.items()}
        return names | {f"{self.prefix}_SIZE": self.size}

    def decode(self, data: bytes | bytearray | memoryview) -> SimpleNamespace:
        """The fields of the structure at the start of `data`, as attributes. Raises ValueError if it is too short."""
        if len(data) < self.size:
            raise ValueError(f"{self.prefix} is {self.size} bytes long, not {len(data)}")
        values = SimpleNamespace()
        for field in self.fields:
            if field.width:
                offset = self.offsets[field.name]
                setattr(values, field.name, field.decode(bytes(data[offset:offset + field.width])))
        return values
