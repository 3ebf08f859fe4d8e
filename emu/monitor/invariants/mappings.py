"""What holds of address spaces: who is in them, what they show, and the mapping database behind that.

Page tables, shadows and nodes are as the headers of guest/kernel/micro/pages.asm and nodes.asm draw them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emu.monitor.invariants.state import (
    FRAME,
    KERNEL_BASE,
    NOBODY,
    PAGE,
    PRESENT,
    USER,
    WRITABLE,
    Mask,
    Rows,
    State,
    Words,
)
from guest.abi.cpu import Paging
from guest.abi.memory import Memory
from guest.abi.micro import MicroMemory

ENTRIES = PAGE // 4         # of a page directory or page table
FIRST_UTCB = int(MicroMemory.UTCB_BASE) >> 22       # directory entry of the UTCBs; what is mapped lies below
KIP_ENTRY = int(MicroMemory.KIP_BASE) >> 22
KERNEL_ENTRY = KERNEL_BASE >> 22
TOUCHED = np.uint32(0x60)   # A and D, which the processor sets
NODE_WORDS = 4              # of a node: next, prev, parent, its page-table entry
LOW_END = 0xA0000           # what lies below may be the boot loader's; from there on devices, then the kernel
DEVICE_BASE = int(Memory.DEVICE_BASE)               # physical: from here on there is no RAM, but devices,
ROOT_DEVICES = int(MicroMemory.ROOT_DEVICES)        #   which the root task has from here on
NOT_CACHED = int(Paging.PTE_PCD)
MOST_LINES = 5              # about one kind of fault


@dataclass(frozen=True)
class Mappings:
    """All pages that are mapped below UTCB_BASE, a row for each."""

    state: State
    directories: Words      # page directories: window addresses, one for each space
    tables: Words           # page tables: likewise
    shadows: Words          # of each table
    space: Rows             # of each row: which directory
    linear: Words           # its address there
    entry: Words            # window address of its page-table entry
    value: Words            # what is in that
    node: Words             # the window address of its node

    @cached_property
    def nodes(self) -> Words:
        """The nodes' words: next, prev, parent, entry."""
        return np.stack(_node_words(self.state, self.node), axis=1)

    @cached_property
    def _order(self) -> Rows:
        return np.argsort(self.node)

    def rows(self, nodes: Words) -> Rows:
        """The row of each node address, NOBODY for others."""
        if not len(self.node):
            return np.full(len(nodes), NOBODY, np.int64)
        ordered = self.node[self._order]
        place = np.minimum(np.searchsorted(ordered, nodes), len(ordered) - 1)
        return np.where(ordered[place] == nodes, self._order[place], NOBODY)

    def each(self, wrong: Mask, text: str) -> Iterator[str]:
        """A line for each row in a mask, the first few."""
        for row in np.nonzero(wrong)[0].tolist()[:MOST_LINES]:
            yield (f"space {self.directories[self.space[row]] - KERNEL_BASE:#x}, page {self.linear[row]:#x} "
                   f"(entry {self.value[row]:#x}, node {self.node[row]:#x}): {text}")


class Database:
    """The mapping database from check to check: what has not changed since it was in order is not looked at again."""

    def __init__(self) -> None:
        self.pages = np.zeros(0, np.uint32)                 # linear addresses at which any space has ever had a page
        self.mappings: Mappings | None = None               # all of them, as they were when they were last in order
        self._words: list[Words] = []                       # all that was looked at when it was last in order
        self._nodes = np.zeros(0, np.uint32)

    def broken(self, state: State) -> Iterator[str]:
        """What does not hold."""
        root = np.array([state.symbols["root_directory"]], np.uint32)
        spaces = state.threads["space"][state.are_programs]
        directories = np.union1d(root, spaces + np.uint32(KERNEL_BASE))
        yield from members(state, directories)
        yield from kernel_part(state, directories)
        tables, space, first = _tables(state, directories)
        shadows = _words_of_frames(state, tables)
        lost = (shadows < KERNEL_BASE) | (shadows & np.uint32(PAGE - 1) != 0)
        if lost.any():
            yield f"page table {tables[lost][0]:#x} has no shadow, but {shadows[lost][0]:#x}"
            return
        values, nodes = _frames(state, tables), _frames(state, shadows)
        words = [directories, tables, shadows, values, nodes, *_node_words(state, self._nodes)]
        if len(words) == len(self._words) and all(map(np.array_equal, words, self._words)):
            return
        self._words, self.mappings = [], None
        lines = [*_unlike(directories, tables, shadows), *_odd(directories[space], first, values, nodes)]
        if not lines:
            at, index = np.nonzero(values)
            mappings = Mappings(state, directories, tables, shadows, space[at],
                                (first[at] + index * PAGE).astype(np.uint32),
                                (tables[at] + index * 4).astype(np.uint32), values[at, index], nodes[at, index])
            lines = [*pages(mappings), *lists(mappings), *roots(mappings)]
            self.pages = np.union1d(self.pages, mappings.linear)
            if not lines:
                self.mappings, self._nodes = mappings, mappings.node
                self._words = [*words[:5], *mappings.nodes.T]
        yield from lines


def _unlike(directories: Words, tables: Words, shadows: Words) -> Iterator[str]:
    """Directories, tables and shadows are frames of their own."""
    if len(np.unique(np.concatenate([directories, tables, shadows]))) < len(tables) * 2 + len(directories):
        yield "two of all page directories, tables and shadows are the same frame"


def _odd(directories: Words, first: Rows, values: Words, nodes: Words) -> Iterator[str]:
    """An entry that is present has a node, one that is not has none."""
    for at, index in np.argwhere((values != 0) != (nodes != 0)).tolist()[:MOST_LINES]:
        yield (f"space {directories[at] - KERNEL_BASE:#x}, page {first[at] + index * PAGE:#x}: entry "
               f"{values[at, index]:#x}, but in the shadow {nodes[at, index]:#x}")


def members(state: State, directories: Words) -> Iterator[str]:
    """A space counts its threads right."""
    spaces = state.threads["space"][state.are_programs] + np.uint32(KERNEL_BASE)
    counts = _words_of_frames(state, directories)
    found = (directories[:, None] == spaces).sum(axis=1)
    for at in np.nonzero(found != counts)[0].tolist():
        yield f"space {directories[at] - KERNEL_BASE:#x} counts {counts[at]} threads, there are {found[at]}"


def kernel_part(state: State, directories: Words) -> Iterator[str]:
    """Every space has the kernel and the kernel interface page where the others have them."""
    kernel = state.words(state.symbols["kernel_directory"], ENTRIES)[KERNEL_ENTRY:]
    kip = state.words(state.symbols["root_directory"], ENTRIES)[KIP_ENTRY]
    words = _frames(state, directories)
    differ = ((words[:, KERNEL_ENTRY:] ^ kernel) & ~TOUCHED).any(axis=1) | ((words[:, KIP_ENTRY] ^ kip) & ~TOUCHED != 0)
    for directory in directories[differ].tolist():
        yield f"space {directory - KERNEL_BASE:#x} has another kernel part than kernel_directory"


def pages(mappings: Mappings) -> Iterator[str]:
    """Every page is a program's, has one node, and none shows the kernel's own memory."""
    state, value = mappings.state, mappings.value
    yield from mappings.each(value & np.uint32(PRESENT | USER) != PRESENT | USER, "not present, or not a program's")
    yield from mappings.each(mappings.nodes[:, 3] != mappings.entry, "its node stands for another entry")
    if len(np.unique(mappings.node)) < len(mappings.node):
        yield "two pages have the same node"
    own = [mappings.directories, mappings.tables, mappings.shadows, mappings.node & FRAME, state.at & FRAME,
           state.threads["utcb"] & FRAME]
    kernels = np.isin(value & FRAME, np.concatenate(own) - np.uint32(KERNEL_BASE))
    kernels |= (value & FRAME < state.symbols["__image_physical_end"]) & (value & FRAME >= LOW_END)
    yield from mappings.each(kernels | (value & FRAME == 0), "shows memory of the kernel")


def lists(mappings: Mappings) -> Iterator[str]:
    """The nodes of a frame are lists in preorder of trees, in which children may do no more than their parents."""
    if not len(mappings.node):
        return
    following, before, parent, _ = mappings.nodes.T
    after, up = mappings.rows(following), mappings.rows(parent)
    me = np.arange(len(up))
    yield from mappings.each((parent != 0) & (up < 0), "its parent's node is no page's")
    yield from mappings.each((following != 0) & ((after < 0) | (before[after] != mappings.node)),
                             "the next node in the list does not know it as its predecessor")
    yield from mappings.each((parent == 0) != (before == 0), "it has a parent, but no predecessor, or that alone")
    if ((parent != 0) & (up < 0)).any():
        return
    child = up >= 0
    yield from mappings.each(child & (mappings.value & FRAME != mappings.value[up] & FRAME),
                             "its parent shows another frame")
    yield from mappings.each(child & (mappings.value & ~mappings.value[up] & np.uint32(WRITABLE) != 0),
                             "it may be written, its parent not")
    # In preorder, the parent of a node is its predecessor, or one of those above that.
    previous = mappings.rows(before)
    at = np.where(child & (previous >= 0), previous, NOBODY)
    for _ in range(len(me)):
        climbing = (at >= 0) & (at != up)
        if not climbing.any():
            break
        at = np.where(climbing, up[np.where(climbing, at, 0)], at)
    yield from mappings.each(child & (at != up), "the list of its frame is not in preorder")


def roots(mappings: Mappings) -> Iterator[str]:
    """What the root task has from the kernel is memory for programs, one to one, its own file, or devices."""
    state = mappings.state
    frame, linear = mappings.value & FRAME, mappings.linear
    root = np.searchsorted(mappings.directories, np.uint32(state.symbols["root_directory"]))
    own = (mappings.space == root) & (mappings.nodes[:, 2] == 0)
    start, limit, boot = (state.variable(name) for name in ("memory_start", "memory_limit", "boot_limit"))
    programs, devices = (frame >= start) & (frame < limit), frame >= np.uint32(DEVICE_BASE)
    yield from mappings.each(own & programs & (frame != linear), "the root task has it from the kernel, not one to one")
    yield from mappings.each((frame < boot) & (mappings.value & np.uint32(WRITABLE) != 0),
                             "what the boot loader left may be written")
    yield from mappings.each((frame >= limit) & ~devices, "shows what is neither memory nor a device")
    yield from mappings.each(devices != (mappings.value & np.uint32(NOT_CACHED) != 0),
                             "a device that is cached, or memory that is not")
    yield from mappings.each(own & devices & (frame - np.uint32(DEVICE_BASE) != linear - np.uint32(ROOT_DEVICES)),
                             "the root task has a device from the kernel where another one is")


def _tables(state: State, directories: Words) -> tuple[Words, Rows, Rows]:
    """(window addresses of all page tables below UTCB_BASE, which directory, first address that they show)."""
    words = _frames(state, directories)[:, :FIRST_UTCB]
    space, index = np.nonzero(words)
    return ((words[space, index] & FRAME) + np.uint32(KERNEL_BASE)).astype(np.uint32), space, index << 22


def _words_of_frames(state: State, frames: Words) -> Words:
    """The words of frame_table that belong to frames, given by their window addresses."""
    number = frames - np.uint32(KERNEL_BASE) >> np.uint32(12)
    return state.gather(np.uint32(state.variable("frame_table")) + number * np.uint32(4))


def _node_words(state: State, nodes: Words) -> list[Words]:
    """Of each node next, prev, parent, entry."""
    return [state.gather(nodes + np.uint32(4 * at)) for at in range(NODE_WORDS)]


def _frames(state: State, addresses: Words) -> Words:
    """The words of frames, a row each."""
    frames = state.ram[:len(state.ram) // ENTRIES * ENTRIES].reshape(-1, ENTRIES)
    found: Words = frames[(addresses.astype(np.int64) - KERNEL_BASE) >> 12]
    return found
