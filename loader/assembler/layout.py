"""Where everything of a file ends up in its sections, and how long its branches are.

Branches begin short; those that do not reach become near, never back, until all reach. That ends, because every round
lengthens at least one branch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from loader.assembler import check
from loader.assembler.fields import to_bytes
from loader.assembler.pieces import (
    LARGEST,
    LARGEST_BSS,
    AlignTail,
    BranchTail,
    Fixup,
    Fragment,
    Piece,
    SpaceTail,
)
from loader.errors import AssemblyError, Mistake, Place
from loader.expression import Linear, Lookup, resolve, single
from loader.object import EXPRESSION, R_386_32, R_386_PC32, Relocation, Section, padding, section_kind


class Layout:
    """Gives every fragment of a file its offset, then writes sections and relocations.

    `lookup` resolves names to sections plus offsets (valid once their fragments are placed), numbers, or themselves
    if no symbol of the file has them.
    """

    def __init__(self, pieces: list[Piece], lookup: Lookup, errors: list[AssemblyError]) -> None:
        self._pieces = pieces
        self._lookup = lookup
        self._errors = errors
        self.relocations: list[Relocation] = []

    def place(self) -> None:
        """Offsets for all, branches as short as they can be."""
        self._sweep()
        while self._lengthen():
            self._sweep()

    def _sweep(self) -> None:
        for piece in self._pieces:
            for fragment in piece.fragments:
                fragment.offset = None
        for piece in self._pieces:
            offset = 0
            for fragment in piece.fragments:
                fragment.offset = offset
                offset += len(fragment.data)
                offset += self._length(piece, fragment, offset)
            limit = LARGEST_BSS if section_kind(piece.name) == "bss" else LARGEST
            if offset > limit:
                raise Place(piece.name, 0, "").error(f"the section grows beyond {limit >> 20} MiB")

    def _length(self, piece: Piece, fragment: Fragment, end: int) -> int:
        """Bytes of a fragment's tail, which begins at offset `end`."""
        match fragment.tail:
            case BranchTail(branch, _, is_near):
                return len(branch.form.near) + 4 if is_near else len(branch.form.short) + 1
            case AlignTail(alignment):
                return -end % alignment
            case SpaceTail():
                fragment.tail.known = self._space(fragment.tail)
                return fragment.tail.known
        return 0

    def _space(self, tail: SpaceTail) -> int:
        try:
            size = resolve(tail.size, self._lookup)
        except Mistake as mistake:
            raise tail.place.error(str(mistake)) from None
        if not size.is_constant:
            raise tail.place.error("the size must be known when the file is assembled")
        if not 0 <= size.constant <= LARGEST_BSS:
            raise tail.place.error(f"a size of {size.constant} bytes is impossible")
        return size.constant

    def _lengthen(self) -> bool:
        """Make near every short branch that does not reach; whether there was one."""
        changed = False
        for piece in self._pieces:
            for fragment in piece.fragments:
                tail = fragment.tail
                if isinstance(tail, BranchTail) and not tail.is_near and tail.branch.form.near \
                        and tail.branch.distance != "short" and not self._reaches(piece, fragment, tail):
                    tail.is_near = changed = True
        return changed

    def _reaches(self, piece: Piece, fragment: Fragment, tail: BranchTail) -> bool:
        try:
            target = resolve(tail.branch.target, self._lookup)
        except Mistake:
            return True                                             # reported when it is written
        if target.terms != ((piece.name, 1),):
            return False
        end = _placed(fragment) + len(fragment.data) + len(tail.branch.form.short) + 1
        return -128 <= target.constant - end <= 127

    def lines(self) -> list[tuple[str, int, str, int]]:
        """(section, offset, file, line) where each line's bytes begin, sorted."""
        found: dict[tuple[str, int], tuple[str, int]] = {}
        for piece in self._pieces:
            for fragment, offset, file, line in piece.lines:
                found[piece.name, _placed(fragment) + offset] = file, line          # the last at an offset has bytes
        ends = {piece.name: _placed(piece.last) + len(piece.last.data) for piece in self._pieces}
        return sorted((section, offset, file, line) for (section, offset), (file, line) in found.items()
                      if offset < ends[section] and section_kind(section) != "bss")

    # Writing

    def sections(self) -> dict[str, Section]:
        """The finished sections, in the order of their first appearance; also fills `relocations`."""
        found = {}
        for piece in self._pieces:
            data = bytearray()
            for fragment in piece.fragments:
                data += fragment.data
                self._write_tail(piece, fragment, data)
            size = len(data)
            if section_kind(piece.name) == "bss":
                size, data = _placed(piece.last), bytearray()
            found[piece.name] = Section(data, size, piece.align)
            for fixup in piece.fixups:
                self._guard(fixup.place, partial(self._fill, piece, data, fixup))
        return found

    def _guard(self, place: Place, action: Callable[[], None]) -> None:
        """Do it; a mistake joins the errors and the rest goes on."""
        try:
            action()
        except Mistake as mistake:
            self._errors.append(place.error(str(mistake)))

    def _write_tail(self, piece: Piece, fragment: Fragment, data: bytearray) -> None:
        match fragment.tail:
            case AlignTail(alignment):
                if section_kind(piece.name) != "bss":
                    data += padding(piece.name, -len(data) % alignment)
            case SpaceTail(fill=fill, known=known):
                if section_kind(piece.name) != "bss":
                    data += bytes([fill]) * known
            case BranchTail(place=place):
                self._guard(place, partial(self._write_branch, piece, fragment.tail, data))

    def _write_branch(self, piece: Piece, tail: BranchTail, data: bytearray) -> None:
        form, start = tail.branch.form, len(data)
        opcode, width = (form.near, 4) if tail.is_near else (form.short, 1)
        data += opcode + bytes(width)
        target = resolve(tail.branch.target, self._lookup)
        end = len(data)
        if target.terms == ((piece.name, 1),):
            distance = target.constant - end
            if width == 1 and not -128 <= distance <= 127:
                raise Mistake(f"{tail.branch.mnemonic} reaches 127 bytes ahead and 128 back, the target is "
                              f"{distance} away")
            data[-width:] = (distance % (1 << 8 * width)).to_bytes(width, "little")
            check.verify_branch(tail.branch.mnemonic, bytes(data[start:]), start, target.constant)
            return
        check.verify_branch(tail.branch.mnemonic, bytes(data[start:]), start, end)
        if width == 1:
            raise Mistake(f"{tail.branch.mnemonic} reaches only labels of the same section and file")
        symbol = single(target)
        if symbol is None:
            raise Mistake("a branch goes to a label, plus or minus a number")
        self._relocate(R_386_PC32, piece, end - 4, symbol, target.constant - 4, tail.place)

    def _fill(self, piece: Piece, data: bytearray, fixup: Fixup) -> None:
        """Write a field's value, or leave it to the linker."""
        offset = _placed(fixup.fragment) + fixup.offset
        value = resolve(fixup.value, self._lookup)
        symbol = single(value)
        if value.is_constant:
            data[offset:offset + fixup.width] = to_bytes(value.constant, fixup.width)
        elif fixup.width == 4 and symbol:
            self._relocate(R_386_32, piece, offset, symbol, value.constant, fixup.place)
        else:
            self._relocate(EXPRESSION, piece, offset, "", 0, fixup.place, fixup.width, value)

    def _relocate(self, kind: str, piece: Piece, offset: int, symbol: str, addend: int, place: Place, width: int = 4,
                  value: Linear | None = None) -> None:
        self.relocations.append(
            Relocation(piece.name, offset, kind, symbol, addend, place.file, place.line, width, value))


def _placed(fragment: Fragment) -> int:
    """The offset of a fragment, once it has one."""
    assert fragment.offset is not None
    return fragment.offset
