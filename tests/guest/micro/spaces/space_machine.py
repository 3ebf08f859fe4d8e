"""The kernel of harness.asm from outside: call its routines, read its page tables, check its mapping database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from struct import unpack
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from emu.machine import Machine
from emu.result import Reason
from guest.abi.cpu import Paging, Vector
from guest.abi.memory import Memory
from guest.abi.micro import KTCB, UTCB, Item, MicroMemory, MicroParameter, UnmapControl
from loader.build import build
from loader.image import Image
from loader.manifest import VARIANTS

HARNESS = Path(__file__).with_name("harness.asm")
SOURCES = ("boot", "gdt", "idt", "console", "panic", "frames", "micro/memory", "micro/space", "micro/pages",
           "micro/nodes", "micro/map", "micro/unmap")
BASE = int(Memory.KERNEL_BASE)
PAGE = 4096
SPAN = 1 << 22                                    # of a page table
TABLES = MicroMemory.UTCB_BASE // SPAN            # page tables that have shadows
P, W, U = (int(bit) for bit in (Paging.PTE_P, Paging.PTE_W, Paging.PTE_U))
NODE = 16                                         # bytes of a node: next, prev, parent, page-table entry
NODES_PER_FRAME = PAGE // NODE
ENOUGH = 50_000_000                               # cycles for any routine
KEPT = ("ebx", "esi", "edi", "ebp")


class PageFault(Exception):
    """The routine caused one."""


@dataclass(frozen=True)
class Answer:
    """What a routine gave back."""

    eax: int
    carry: bool

    @property
    def done(self) -> int:
        """EAX of a routine that must have succeeded."""
        assert not self.carry
        return self.eax


@dataclass(frozen=True)
class Node:
    """A node of the mapping database, and the page that it stands for."""

    at: int                 # its address
    next: int
    prev: int
    parent: int
    space: int              # page directory in whose tables its entry is
    page: int               # address there
    entry: int              # the page-table entry

    @property
    def frame(self) -> int:
        """Physical address of the page's frame."""
        return self.entry & Paging.PTE_FRAME

    @property
    def writable(self) -> bool:
        """May the program write to it?"""
        return bool(self.entry & W)


@cache
def image(pool_shift: int = MicroParameter.POOL_SHIFT) -> Image:
    """The harness; the kernel keeps 1 / 2^pool_shift of its memory."""
    lines = ["[image]", "description = 'memory and address spaces of the microkernel, and nothing else'", "[kernel]",
             f"sources = {[str(VARIANTS / f'{name}.asm') for name in SOURCES] + [str(HARNESS)]}",
             f"parameters = {{ POOL_SHIFT = {pool_shift} }}"]
    with TemporaryDirectory() as directory:
        manifest = Path(directory) / "harness.toml"
        manifest.write_text("\n".join(lines))
        return build(manifest)


class SpaceMachine:
    """A booted harness. Spaces go by page directories, as addresses in the window; so do threads by control blocks."""

    def __init__(self, memory: int = 16 << 20, booted: Image | None = None) -> None:
        """`memory` in bytes."""
        self.machine = Machine.boot(booted or image(), memory=memory)
        self._stop = self.machine.address("harness_rest")
        result = self.machine.run(until=self._stop, max_cycles=ENOUGH)
        assert result.reason == Reason.UNTIL, f"{result}\n{self.machine.console.decode()}"
        self.root = self.machine.address("root_directory")
        self.spaces = [self.root]                  # those that live
        self._words: NDArray[np.uint32] = self.machine.ram.bytes.view(np.uint32)

    # Memory

    def word(self, address: int) -> int:
        """A word of the window."""
        return int(self._words[(address - BASE) >> 2])

    def symbol(self, name: str) -> int:
        """A word of the kernel's data."""
        return self.word(self.machine.address(name))

    def store(self, address: int, *words: int) -> None:
        """Write words in the window."""
        data = b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in words)
        self.machine.ram.write(address - BASE, data)

    # Calls

    def call(self, routine: str, eax: int = 0, edx: int = 0, ecx: int = 0, ebp: int = 0) -> Answer:
        """Call a routine of the kernel. Raises PageFault. Registers that are the caller's must come back."""
        registers = self.machine.cpu.registers
        stack = self.machine.address("boot_stack_top") - 4
        self.store(stack, self._stop)
        kept = {"ebx": 0xB1B1B1B1, "esi": 0x51515151, "edi": 0xD1D1D1D1, "ebp": ebp}
        for name, value in {"eax": eax, "edx": edx, "ecx": ecx, "esp": stack, **kept}.items():
            setattr(registers, name, value & 0xFFFFFFFF)
        registers.eip = self.machine.address(routine)
        result = self.machine.run(until=self._stop, vectors=[Vector.EXC_PF], max_cycles=ENOUGH)
        if result.reason == Reason.VECTOR:
            raise PageFault
        assert result.reason == Reason.UNTIL, f"{routine}: {result}"
        if routine != "sys_unmap":                 # which jumps to resume
            assert registers.esp == stack + 4
            assert {name: getattr(registers, name) for name in KEPT} == kept, routine
        return Answer(registers.eax, bool(registers.eflags & 1))

    def new_space(self) -> int:
        """A space with one thread."""
        space = self.call("space_create").done
        self.call("space_enter", space)
        self.spaces.append(space)
        return space

    def end_space(self, space: int) -> None:
        """Its thread goes."""
        self.call("space_leave", space)
        self.spaces.remove(space)

    def thread(self, number: int, space: int) -> int:
        """The control block `number` of harness_threads, now of a thread in `space`."""
        ktcb = self.machine.address("harness_threads") + number * KTCB.size
        utcb = self.call("space_utcb", space, MicroMemory.UTCB_BASE).done
        self.store(ktcb + KTCB.offsets["space"], space - BASE)
        self.store(ktcb + KTCB.offsets["utcb"], utcb)
        return ktcb

    def map(self, sender: int, receiver: int, fpage: int, window: int, base: int = 0, *, grant: bool = False) -> bool:
        """A map or grant item between two spaces, flexpages as in messages; False if memory is used up."""
        item = self.machine.address("harness_item")
        self.store(item, base & Item.ITEM_BASE | (Item.ITEM_GRANT if grant else Item.ITEM_MAP), fpage)
        self.store(self.machine.address("map_window"), window)
        return not self.call("map_item", self.thread(0, sender), self.thread(1, receiver), item).carry

    def unmap(self, space: int, *fpages: int, flush: bool = False) -> list[int]:
        """The system call; the message registers afterwards."""
        ktcb = self.thread(0, space)
        registers = self.word(ktcb + KTCB.offsets["utcb"]) + UTCB.offsets["mr0"]
        self.store(registers, *fpages)
        self.store(ktcb + KTCB.offsets["ebx"], len(fpages) - 1 | (UnmapControl.UNMAP_FLUSH if flush else 0))
        self.call("sys_unmap", ebp=ktcb)
        return [self.word(registers + 4 * n) for n in range(len(fpages))]

    def go(self, space: int) -> None:
        """Load CR3, as the kernel does, if it is not there already."""
        if self.machine.cpu.registers.cr3 != space - BASE:
            self.call("harness_load", space - BASE)

    # What is in memory

    def table(self, address: int) -> NDArray[np.uint32]:
        """The entries of a table or directory at an address in the window."""
        at = (address - BASE) >> 2
        return self._words[at:at + PAGE // 4]

    def shadow(self, table: int) -> int:
        """frame_table's word for the frame at `table` in the window."""
        return self.word(self.symbol("frame_table") + (table - BASE) // PAGE * 4)

    def tables(self, space: int) -> Iterator[tuple[int, int]]:
        """(first address that it maps, address in the window) of each page table with a shadow."""
        directory = self.table(space)[:TABLES]
        for number in np.flatnonzero(directory):
            yield int(number) * SPAN, int(directory[number]) & Paging.PTE_FRAME | BASE

    def pages(self, space: int) -> dict[int, tuple[int, bool]]:
        """What a program sees: address of each page, its frame, and whether it may be written."""
        found = {}
        for first, table in self.tables(space):
            entries = self.table(table)
            for number in np.flatnonzero(entries):
                entry = int(entries[number])
                found[first + int(number) * PAGE] = (entry & Paging.PTE_FRAME, bool(entry & W))
        return found

    def nodes(self) -> dict[int, Node]:
        """All nodes of pages that are mapped, by their addresses; each is found from its entry, as the kernel does."""
        found = {}
        for space in self.spaces:
            for first, table in self.tables(space):
                entries, shadow = self.table(table), self.table(self.shadow(table))
                assert np.array_equal(entries != 0, shadow != 0), "an entry without a node, or a node without an entry"
                for number in map(int, np.flatnonzero(entries)):
                    at = int(shadow[number])
                    successor, before, parent, pte = unpack("<4I", self.machine.ram.read(at - BASE, NODE))
                    node = Node(at, successor, before, parent, space, first + number * PAGE, int(entries[number]))
                    assert at not in found and pte == table + 4 * number
                    assert node.entry & (P | U) == P | U
                    assert bool(node.entry & Paging.PTE_PCD) == (node.frame >= Memory.DEVICE_BASE)
                    found[at] = node
        return found

    def check(self) -> dict[int, Node]:
        """The invariants of the mapping database, and every frame of the pool accounted for."""
        nodes = self.nodes()
        for node in nodes.values():
            if node.next:
                assert nodes[node.next].prev == node.at
            if node.prev:
                assert nodes[node.prev].next == node.at
            if not node.parent:
                assert not node.prev, "a root within a list"
                continue
            parent = nodes[node.parent]
            assert parent.frame == node.frame and parent.writable >= node.writable
            at = nodes[node.prev]                       # preorder: the one before is the parent, or its offspring
            while at.at != node.parent:
                assert at.parent, "a node stands outside its parent's part of the list"
                at = nodes[at.parent]
        free = self._free_nodes()
        assert not free & nodes.keys()
        assert (len(free) + len(nodes)) % NODES_PER_FRAME == 0
        segments = {node.frame for node in nodes.values()                  # of the pool, by space_map
                    if self.symbol("boot_limit") <= node.frame < self.symbol("memory_start")}
        frames = self._frames() + len(segments) + (len(free) + len(nodes)) // NODES_PER_FRAME
        assert self.symbol("frames_used") == frames
        return nodes

    def _free_nodes(self) -> set[int]:
        free = set()
        at = self.symbol("nodes_list")
        while at:
            assert at not in free
            free.add(at)
            at = self.word(at)
        return free

    def _frames(self) -> int:
        """Frames that spaces hold: directories, tables, shadows, UTCB tables and pages."""
        count = 0
        for space in self.spaces:
            count += (space != self.root) + 2 * len(list(self.tables(space)))
            utcbs = int(self.table(space)[TABLES])
            if utcbs:
                count += 1 + int(np.count_nonzero(self.table(utcbs & Paging.PTE_FRAME | BASE)))
        return count
