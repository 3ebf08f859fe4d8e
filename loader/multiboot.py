"""Multiboot 1: finding a kernel's header, reading the kernel, and what it is told at the start.

Follows the "Multiboot Specification", version 0.6.96 (GNU, 2010); sections are named where a fact comes from one.
A kernel that needs what this loader does not give (a video mode, or bits not yet defined) is refused, as section 3.1.2
demands. Not given, and marked so in `flags`: drives, BIOS configuration table, APM, VBE and framebuffer.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple

from loader import elf
from loader.image import HOLE, Image, ImageError, Module, Segment, encode_string
from loader.placement import Ram
from loader.symbols import LineMap, SymbolTable

HEADER_MAGIC = 0x1BADB002            # first word of the header
BOOTLOADER_MAGIC = 0x2BADB002        # EAX at the start (section 3.2)
SEARCHED = 8192                      # the header lies within these first bytes of the file (section 3.1)
LOADER_NAME = "trapline"             # boot_loader_name
INFORMATION = 0x1000                 # where the information goes if nothing else does: the page above the BIOS data
EBDA = 0x9FC00                       # extended BIOS data area: where lower memory ends
BIOS = range(0xF0000, 0x100000)      # system BIOS


class HeaderFlag(IntFlag):
    """`flags` of the header (section 3.1.2). Of bits 0-15, a loader must know all that are set."""

    PAGE_ALIGN = 1 << 0              # modules begin on pages; ours always do
    MEMORY_INFO = 1 << 1             # mem_lower, mem_upper and the memory map; always given
    VIDEO_MODE = 1 << 2              # wants a video mode: there is no video
    ADDRESSES = 1 << 16              # the header says where to load, not an ELF header


KNOWN = HeaderFlag.PAGE_ALIGN | HeaderFlag.MEMORY_INFO       # requirements that are met


class InfoFlag(IntFlag):
    """`flags` of the information (section 3.3): which of its fields hold something."""

    MEMORY = 1 << 0                  # mem_lower, mem_upper
    CMDLINE = 1 << 2                 # cmdline
    MODS = 1 << 3                    # mods_count, mods_addr
    ELF_SECTIONS = 1 << 5            # syms: section headers of the kernel's ELF file
    MMAP = 1 << 6                    # mmap_length, mmap_addr
    LOADER_NAME = 1 << 9             # boot_loader_name


class MemoryType(IntFlag):
    """`type` of a region of the memory map."""

    AVAILABLE = 1                    # RAM, free or holding what was loaded
    RESERVED = 2                     # anything else


class Header(NamedTuple):
    """The Multiboot header. The addresses, physical, hold something if HeaderFlag.ADDRESSES is set (section 3.1.3)."""

    offset: int                      # of the header in the file
    flags: int                       # HeaderFlag
    header_addr: int = 0             # where the header itself is loaded
    load_addr: int = 0               # where loading begins
    load_end_addr: int = 0           # where it ends; 0: with the file
    bss_end_addr: int = 0            # where zeroed memory behind that ends; 0: there is none
    entry_addr: int = 0              # first instruction


def find_header(data: bytes) -> Header | None:
    """The Multiboot header of a file, None if there is none: magic and checksum, within its first 8192 bytes."""
    searched = data[:SEARCHED]
    for offset in range(0, len(searched) - 11, 4):
        magic, flags, checksum = struct.unpack_from("<3I", searched, offset)
        if magic == HEADER_MAGIC and (magic + flags + checksum) & 0xFFFFFFFF == 0:
            size = 32 if flags & HeaderFlag.ADDRESSES else 12
            if offset + size <= len(searched):
                addresses = struct.unpack_from("<5I", searched, offset + 12) if size > 12 else ()
                return Header(offset, flags, *addresses)
    return None


def read(data: bytes, name: str, header: Header) -> Image:
    """The image of a Multiboot kernel; `name` is the file's. Raises ImageError: what is wrong, in one line."""
    unmet = header.flags & 0xFFFF & ~KNOWN
    if unmet & HeaderFlag.VIDEO_MODE:
        raise ImageError(f"{name}: Multiboot header requires a video mode (flags bit 2), and there is no video: "
                         "clear the bit")
    if unmet:
        bits = ", ".join(str(bit) for bit in range(16) if unmet >> bit & 1)
        raise ImageError(f"{name}: Multiboot header requires what is not provided (flags bits {bits}): clear them")
    if header.flags & HeaderFlag.ADDRESSES:
        return _read_addresses(data, name, header)
    if not elf.is_elf(data):
        raise ImageError(f"{name}: Multiboot header without addresses (flags bit 16), and the file is no ELF: "
                         "set the bit and give them, or link it as ELF32")
    executable = elf.read(data, name)
    return Image(name, "multiboot", executable.entry, executable.segments, executable.symbols, executable.lines,
                 sections=executable.sections)


def _read_addresses(data: bytes, name: str, header: Header) -> Image:
    """A kernel loaded as the header's addresses say; names come from ELF headers if it has them all the same."""
    load, load_end = header.load_addr, header.load_end_addr
    start = header.offset - (header.header_addr - load)              # of the loaded part in the file
    if load > header.header_addr or start < 0:
        raise ImageError(f"{name}: Multiboot load_addr {load:#x} does not fit header_addr {header.header_addr:#x}: "
                         f"the header lies {header.offset} bytes into the file")
    load_end = load_end or load + len(data) - start
    if load_end <= load or load_end - load > len(data) - start:
        raise ImageError(f"{name}: Multiboot load_end_addr {load_end:#x} lies outside the file: "
                         f"from load_addr {load:#x} it has {len(data) - start} bytes")
    end = header.bss_end_addr or load_end
    if not load_end <= end:
        raise ImageError(f"{name}: Multiboot bss_end_addr {end:#x} lies before the end of the data, {load_end:#x}")
    if not load <= header.entry_addr < end:
        raise ImageError(f"{name}: Multiboot entry_addr {header.entry_addr:#x} lies outside what is loaded, "
                         f"{load:#x}-{end - 1:#x}")
    symbols, lines, sections = (elf.read_names(data, name, [(load, end)]) if elf.is_elf32(data)
                                else (SymbolTable([]), LineMap([]), None))
    segment = Segment(load, data[start:start + load_end - load], end - load)
    return Image(name, "multiboot", header.entry_addr, [segment], symbols, lines, sections=sections)


@dataclass(frozen=True)
class _Placed:
    """Where the pieces are that the information points to."""

    modules: list[int]               # physical address of each module
    sections: int                    # of the section headers


def place_information(image: Image, ram: Ram) -> tuple[int, list[tuple[int, bytes]]]:
    """Place modules, section headers and the information itself in `ram`, which already holds the segments.

    Returns the address of the information, for EBX, and the (physical address, bytes) to write. Modules and sections
    go above the kernel, the information to INFORMATION; if that is taken, above them. Raises ImageError if RAM is
    too small.
    """
    placed = _Placed([ram.place(len(module.data), f"module {module.name}") for module in image.modules],
                     ram.place(len(image.sections.placed_at(0)), "table of sections") if image.sections else 0)
    writes = [(address, module.data) for address, module in zip(placed.modules, image.modules, strict=True)]
    if image.sections:
        writes.append((placed.sections, image.sections.placed_at(placed.sections)))
    size = len(_information(image, ram.size, placed, 0))
    address = INFORMATION
    if INFORMATION + size <= EBDA and ram.is_free(INFORMATION, size):
        ram.claim(INFORMATION, size, "Multiboot information")
    else:
        address = ram.place(size, "Multiboot information")
    writes.append((address, _information(image, ram.size, placed, address)))
    return address, [(where, data) for where, data in writes if data]


def memory_map(size: int) -> list[tuple[int, int, MemoryType]]:
    """The map of a machine with `size` bytes of RAM: (first address, bytes, type), lowest first."""
    regions = [(range(0, min(EBDA, size)), MemoryType.AVAILABLE),
               (range(EBDA, HOLE.start), MemoryType.RESERVED),
               (BIOS, MemoryType.RESERVED),
               (range(HOLE.stop, size), MemoryType.AVAILABLE)]
    return [(region.start, len(region), kind) for region, kind in regions if region]


def _information(image: Image, memory_size: int, placed: _Placed, base: int) -> bytes:
    """The information at physical address `base` (section 3.3), followed by all it points to."""
    regions = b"".join(struct.pack("<IQQI", 20, *region) for region in memory_map(memory_size))
    strings = _Strings(base + 116 + len(regions) + 16 * len(image.modules))
    modules = _module_list(image.modules, placed.modules, strings)
    flags = InfoFlag.MEMORY | InfoFlag.CMDLINE | InfoFlag.MODS | InfoFlag.MMAP | InfoFlag.LOADER_NAME
    sections = (0, 0, 0, 0)
    if image.sections:
        flags |= InfoFlag.ELF_SECTIONS
        count, entry, names = image.sections.shape
        sections = count, entry, placed.sections, names
    fields = struct.pack(
        "<20I", flags,
        min(EBDA, memory_size) // 1024, max(memory_size - HOLE.stop, 0) // 1024,   # mem_lower, mem_upper, KiB
        0,                                                                         # boot_device
        strings.add(image.command_line),                                           # cmdline
        len(image.modules), base + 116 + len(regions),                             # mods_count, mods_addr
        *sections,                                                                 # num, size, addr, shndx
        len(regions), base + 116,                                                  # mmap_length, mmap_addr
        0, 0, 0,                                                                   # drives, config_table
        strings.add(LOADER_NAME),                                                  # boot_loader_name
        0, 0, 0)                                                                   # apm_table, vbe
    return fields.ljust(116, b"\0") + regions + modules + strings.data


def _module_list(modules: Sequence[Module], addresses: list[int], strings: _Strings) -> bytes:
    """The list at mods_addr: first address, one past the last, string, reserved."""
    return b"".join(struct.pack("<4I", start, start + len(module.data), strings.add(module.string), 0)
                    for start, module in zip(addresses, modules, strict=True))


class _Strings:
    """Zero-terminated strings one behind the other."""

    def __init__(self, base: int) -> None:
        self.base = base             # physical address of the first
        self.data = b""              # what there is so far

    def add(self, text: str) -> int:
        """Append one; its physical address."""
        address = self.base + len(self.data)
        self.data += encode_string(text)
        return address
