"""What is booted: an image's segments, names and modules, whatever file they came from.

The readers of the formats (elf, multiboot, flat, build) make an `Image`; `loader.boot` chooses the reader and places
the image in RAM.
"""

from __future__ import annotations

import hashlib
import stat
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from loader.symbols import LineMap, SymbolTable

PAGE = 4096                          # what modules and tables are aligned to, bytes
HOLE = range(0xA0000, 0x100000)      # video memory, option ROMs and BIOS: no RAM there
LARGEST_RAM = 1 << 30                # no machine has more, bytes
LARGEST_FILE = LARGEST_RAM           # so a longer file is no image, bytes


class ImageError(Exception):
    """An image that cannot be built, read or placed: one line that says what, where and what to do."""


@dataclass(frozen=True)
class Segment:
    """Bytes that belong at a physical address; the rest of `memory_size` is zero."""

    physical: int                    # address of the first byte
    data: bytes                      # what the file holds
    memory_size: int                 # bytes in memory, at least len(data)

    @property
    def writes(self) -> list[tuple[int, bytes]]:
        """(physical address, bytes) of data and zeros."""
        zeros = bytes(self.memory_size - len(self.data))
        parts = [(self.physical, self.data), (self.physical + len(self.data), zeros)]
        return [(address, data) for address, data in parts if data]


@dataclass(frozen=True)
class Module:
    """A file that the kernel finds in memory beside itself."""

    string: str                      # what the kernel is told about it: a name, then arguments
    data: bytes                      # the file

    @property
    def name(self) -> str:
        """The string up to its first blank."""
        return self.string.split(" ", 1)[0]


class Sections(Protocol):
    """The section table of an ELF file (elf.SectionTable), which a Multiboot kernel is shown."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(number of headers, bytes of each, number of the section with the names)."""
        ...

    def placed_at(self, base: int) -> bytes:
        """The table as it lies in memory at physical address `base`."""
        ...


@dataclass(frozen=True)
class Wiring:
    """What a manifest says that the machine's network card is plugged into, in the words of emu.net.plug."""

    manifest: Path                   # where it says so; files that it names are relative to it
    plug: str                        # what is at the other end
    wire: str                        # which wire it is


@dataclass
class Image:
    """Something bootable, and the names in it."""

    name: str                                                      # for people, traces and messages
    kind: Literal["elf", "multiboot", "flat"]                      # how it is started
    entry: int                                                     # physical address of the first instruction
    segments: list[Segment]                                        # what lies where
    symbols: SymbolTable                                           # of the kernel
    lines: LineMap                                                 # of the kernel
    modules: list[Module] = field(default_factory=list)            # Multiboot modules, in order
    command_line: str = ""                                         # for a Multiboot kernel
    sections: Sections | None = None                           # what a Multiboot kernel is told of its ELF file
    profile: str | None = None                                     # processor that a manifest asks for
    wiring: Wiring | None = None                                   # network that a manifest asks for
    parameters: dict[str, int] = field(default_factory=dict)       # constants that a manifest sets
    programs: dict[str, SymbolTable] = field(default_factory=dict)     # user symbols, by program
    program_lines: dict[str, LineMap] = field(default_factory=dict)    # user source lines, by program
    files: dict[str, bytes] = field(default_factory=dict)          # ELF files a manifest was built into; kernel: ""
    path_files: list[Path] = field(default_factory=list)           # what names paths in it; a later one goes over

    @property
    def digest(self) -> str:
        """SHA-256 over all that reaches the machine, hexadecimal: equal digests run alike."""
        digest = hashlib.sha256()
        parts = [self.kind.encode(), struct.pack("<I", self.entry), encode_string(self.command_line)]
        for segment in self.segments:
            parts += [struct.pack("<II", segment.physical, segment.memory_size), segment.data]
        for module in self.modules:
            parts += [encode_string(module.string), module.data]
        parts.append(self.sections.placed_at(0) if self.sections else b"")
        for part in parts:
            digest.update(struct.pack("<I", len(part)) + part)
        return digest.hexdigest()


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises ImageError if it is missing, no regular file, unreadable or enormous."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            what = "a directory" if stat.S_ISDIR(status.st_mode) else "no regular file"
            raise ImageError(f"{path}: is {what}: name a file")
        if status.st_size > LARGEST_FILE:
            raise ImageError(f"{path}: has {status.st_size} bytes, more than any machine's RAM")
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:                                     # a zero byte in the name
        raise ImageError(f"{str(path)!r}: not a file name") from None
    return data


def encode_string(text: str) -> bytes:
    """A string for the kernel, zero-terminated. Raises ImageError for one that holds a zero itself."""
    if "\0" in text:
        raise ImageError(f"{text!r}: a string for the kernel cannot hold a zero byte")
    return text.encode("utf-8", "surrogateescape") + b"\0"
