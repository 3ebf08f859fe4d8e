"""What mapping means, without page tables: each page knows where it came from. The oracle of test_mapping.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from guest.abi.micro import Flexpage, FlexpageShift, MicroMemory, Right

PAGE = 4096
COMPLETE = 1                    # as a size: the whole space
READ, WRITE, EXECUTE = int(Right.FPAGE_READ), int(Right.FPAGE_WRITE), int(Right.FPAGE_EXECUTE)
ROOT = 0                        # the root task's space
DEVICES = int(MicroMemory.ROOT_DEVICES)         # where its devices begin


def fpage(base: int, size: int, rights: int = 0) -> int:
    """A flexpage of 2^size bytes as in a message."""
    return base & Flexpage.FPAGE_BASE | size << FlexpageShift.FPAGE_SHIFT | rights


def extent(word: int) -> tuple[int, int] | None:
    """Base and bytes of a flexpage; None for one that names nothing."""
    size = word >> FlexpageShift.FPAGE_SHIFT & 0x3F
    size = 32 if size == COMPLETE else size
    base = word & Flexpage.FPAGE_BASE
    if not 12 <= size <= 32 or base % (1 << size):
        return None
    return base, 1 << size


@dataclass(eq=False)
class Mapping:
    """A page of a space."""

    space: int
    address: int
    frame: int
    writable: bool
    parent: Mapping | None
    children: list[Mapping] = field(default_factory=list)
    news: int = 0               # rights that it, or one below it, has made use of since its owner asked

    def touch(self, rights: int) -> None:
        """A program uses the page."""
        at: Mapping | None = self
        while at:
            at.news |= rights
            at = at.parent

    def below(self) -> Iterator[Mapping]:
        """All that is mapped from it."""
        for child in self.children:
            yield child
            yield from child.below()


class Model:
    """Spaces by number, each a dictionary from addresses to mappings."""

    def __init__(self, spaces: int, memory: Callable[[int], tuple[int, bool] | None]) -> None:
        """`memory` says of a page of the root task's which frame the kernel has for it, and whether it may write there;
        or None.
        """
        self.spaces: list[dict[int, Mapping]] = [{} for _ in range(spaces)]
        self.memory = memory

    def _add(self, space: int, address: int, frame: int, writable: bool, parent: Mapping | None) -> None:
        mapping = self.spaces[space][address] = Mapping(space, address, frame, writable, parent)
        if parent:
            parent.children.append(mapping)

    def _remove(self, mapping: Mapping) -> None:
        for gone in [*mapping.below(), mapping]:
            del self.spaces[gone.space][gone.address]
        if mapping.parent:
            mapping.parent.children.remove(mapping)

    def end(self, space: int) -> None:
        """A space goes."""
        while self.spaces[space]:
            self._remove(next(iter(self.spaces[space].values())))

    def touch(self, space: int, address: int, write: bool) -> bool:
        """A program uses a page; False if it faults."""
        page = self.spaces[space].get(address & -PAGE)
        if page is None or (write and not page.writable):
            return False
        page.touch(READ | EXECUTE | (WRITE if write else 0))
        return True

    def root_fault(self, address: int, write: bool) -> bool:
        """A page fault of the root task; False if the kernel does not serve it."""
        address &= -PAGE
        found = self.memory(address)
        if found is None or (write and not found[1]):
            return False
        frame, writable = found
        there = self.spaces[ROOT].get(address)
        if there and there.frame == frame and there.parent is None:
            there.writable |= writable
            return True
        if there:
            self._remove(there)
        self._add(ROOT, address, frame, writable, None)
        return True

    def map(self, sender: int, receiver: int, send: int, window: int, base: int, grant: bool) -> None:
        """A map or grant item: flexpage `send`, acceptor `window`, send base `base`."""
        source, target = extent(send), extent(window)
        if source is None or target is None or not send & Right.FPAGE_RIGHTS:
            return
        length = min(source[1], target[1])
        offset = base & -length
        begin, to = source[0] + offset % source[1], target[0] + offset % target[1]
        length = min(length, MicroMemory.UTCB_BASE - begin, MicroMemory.UTCB_BASE - to)
        if sender == ROOT:                  # it has all its memory; but its devices only if they are meant
            end = begin + max(length, 0) if begin >= DEVICES else min(begin + max(length, 0), DEVICES)
            for address in range(begin, end, PAGE):
                if address not in self.spaces[ROOT] and self.memory(address) is not None:
                    self.root_fault(address, False)
        for address in sorted(self.spaces[sender]):
            if begin <= address < begin + length and address in self.spaces[sender]:
                self._map_page(self.spaces[sender][address], receiver, address - begin + to,
                               bool(send & WRITE), grant)

    def _map_page(self, source: Mapping, receiver: int, address: int, may_write: bool, grant: bool) -> None:
        there = self.spaces[receiver].get(address)
        writable = source.writable and may_write
        if there is source:
            return
        if there and there.parent is source and not grant:
            there.writable |= writable
            return
        if there:
            self._remove(there)
        if source.address not in self.spaces[source.space] or self.spaces[source.space][source.address] is not source:
            return
        if not grant:
            self._add(receiver, address, source.frame, writable, source)
            return
        del self.spaces[source.space][source.address]
        source.space, source.address, source.writable, source.news = receiver, address, writable, 0
        self.spaces[receiver][address] = source
        for child in source.below():
            child.writable &= writable

    def unmap(self, space: int, word: int, flush: bool) -> int:
        """An Unmap of one flexpage: the flexpage that comes back."""
        result = word & ~Right.FPAGE_RIGHTS
        found = extent(word)
        if found is None:
            return result
        for address in sorted(self.spaces[space]):
            page = self.spaces[space].get(address)
            if page is None or not found[0] <= address < found[0] + found[1]:
                continue
            result |= page.news
            page.news = 0
            if word & (READ | EXECUTE):
                for child in list(page.children):
                    self._remove(child)
                if flush:
                    self._remove(page)
            elif word & WRITE:
                for child in page.below():
                    child.writable = False
                page.writable &= not flush
        return result
