"""Sections while they are being written: fragments of bytes and what lies between them.

A fragment is bytes that are known, then one thing whose length is not: a branch, an alignment or a space.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from loader.assembler.fields import to_bytes
from loader.assembler.instructions import Branch
from loader.errors import Mistake, Place
from loader.expression import Linear
from loader.object import section_kind

LARGEST = 64 << 20          # bytes of data in a section of one file
LARGEST_BSS = 1 << 31       # bytes of a bss section


@dataclass(slots=True)
class BranchTail:
    """A branch to a place."""

    branch: Branch
    place: Place
    is_near: bool           # the near form is chosen


@dataclass(slots=True)
class AlignTail:
    """Padding up to a multiple."""

    alignment: int          # power of two


@dataclass(slots=True)
class SpaceTail:
    """A run of equal bytes."""

    size: Linear
    fill: int
    place: Place
    known: int = 0          # its length in the current sweep


@dataclass(slots=True)
class Fragment:
    """Known bytes, then one thing of unknown length."""

    data: bytearray = field(default_factory=bytearray)
    tail: BranchTail | AlignTail | SpaceTail | None = None
    offset: int | None = None       # in the section; None until the current sweep has come here


@dataclass(slots=True)
class Fixup:
    """A field in a fragment that waits for its value."""

    fragment: Fragment
    offset: int             # in the fragment
    width: int
    value: Linear
    place: Place


@dataclass(slots=True)
class Label:
    """A place in a section."""

    section: str
    fragment: Fragment
    offset: int             # in the fragment
    place: Place
    has_contract: bool = False      # a comment block stands directly above


class Piece:
    """One section of one file while it is being written."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.align = 1
        self.fragments = [Fragment()]
        self.fixups: list[Fixup] = []
        self.lines: list[tuple[Fragment, int, str, int]] = []      # each begins at an offset in a fragment
        self._size = 0                                              # bytes of data so far

    @property
    def last(self) -> Fragment:
        """The fragment that is being written."""
        return self.fragments[-1]

    def label(self, place: Place) -> Label:
        """The current location."""
        return Label(self.name, self.last, len(self.last.data), place)

    def mark(self, place: Place) -> None:
        """What follows comes from `place`."""
        if not self.lines or self.lines[-1][2:] != (place.file, place.line):
            self.lines.append((self.last, len(self.last.data), place.file, place.line))

    def emit(self, data: bytes) -> None:
        """Append bytes. Raises Mistake in a bss section, which has none."""
        if section_kind(self.name) == "bss":
            raise Mistake(f"{self.name} holds no data: only .space, .align and labels")
        self._size += len(data)
        if self._size > LARGEST:
            raise Mistake(f"{self.name} grows beyond {LARGEST >> 20} MiB")
        self.last.data += data

    def emit_field(self, width: int, value: Linear, place: Place) -> None:
        """Append a field of `width` bytes with `value`."""
        if value.is_constant:
            self.emit(to_bytes(value.constant, width))
            return
        self.emit(bytes(width))
        self.fixups.append(Fixup(self.last, len(self.last.data) - width, width, value, place))

    def close(self, tail: BranchTail | AlignTail | SpaceTail) -> None:
        """End the current fragment by `tail` and begin the next."""
        self.last.tail = tail
        self.fragments.append(Fragment())
