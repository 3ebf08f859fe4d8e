"""What is booted: an image's segments, names and modules, and where each of them goes in RAM.

`load` turns what a person names into an `Image`, `boot` places an image in the RAM of a machine. The readers of the
formats (elf, multiboot, flat, build) build on the types here, so this file imports them only inside functions.
"""

from __future__ import annotations

import hashlib
import stat
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loader.symbols import LineMap, SymbolTable

if TYPE_CHECKING:
    from loader.elf import SectionTable

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
    sections: SectionTable | None = None                           # what a Multiboot kernel is told of its ELF file
    profile: str | None = None                                     # processor that a manifest asks for
    parameters: dict[str, int] = field(default_factory=dict)       # constants that a manifest sets
    programs: dict[str, SymbolTable] = field(default_factory=dict)     # user symbols, by program
    program_lines: dict[str, LineMap] = field(default_factory=dict)    # user source lines, by program
    files: dict[str, bytes] = field(default_factory=dict)          # ELF files a manifest was built into; kernel: ""

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


@dataclass(frozen=True)
class BootState:
    """What a machine does to start an image: write RAM, set registers, jump. Paging is off, segments are flat."""

    entry: int                             # physical address of the first instruction
    registers: dict[str, int]              # eax, ebx
    writes: list[tuple[int, bytes]]        # (physical address, bytes), none overlapping


class Ram:
    """RAM while an image is being placed in it: who has claimed what."""

    def __init__(self, size: int, image: str) -> None:
        """`size` in bytes; `image` is the name for messages."""
        self.size = size
        self.image = image
        self._taken: list[tuple[int, int, str]] = []       # (first address, one past the last, owner), sorted

    def claim(self, start: int, size: int, owner: str) -> None:
        """Give `size` bytes to `owner`. Raises ImageError if they are taken, in the hole or beyond RAM."""
        if size == 0:
            return
        trouble = self._trouble(start, start + size)
        if trouble:
            raise ImageError(f"{self.image}: {owner} {trouble}")
        self._taken.insert(bisect_right(self._taken, (start,)), (start, start + size, owner))

    def place(self, size: int, owner: str) -> int:
        """Claim `size` bytes on a page boundary above 1 MiB and above everything claimed; the address of the first."""
        top = max((end for _, end, _ in self._taken), default=0)
        start = -(-max(top, HOLE.stop) // PAGE) * PAGE
        self.claim(start, size, owner)
        return start

    def is_free(self, start: int, size: int) -> bool:
        """Whether these bytes could be claimed."""
        return self._trouble(start, start + size) is None

    def _trouble(self, start: int, end: int) -> str | None:
        """Why the bytes from `start` up to `end` cannot be had; None if they can."""
        if end > LARGEST_RAM:
            return f"ends at {end:#x}, where no machine has RAM: link it for a physical address below {LARGEST_RAM:#x}"
        if end > self.size:
            mebibytes = -(-end >> 20)
            return f"ends at {end:#x}, but RAM ends at {self.size:#x}: give the machine {mebibytes} MiB (--mem)"
        if start < HOLE.stop and end > HOLE.start:
            return f"lies in {HOLE.start:#x}-{HOLE.stop - 1:#x}, where no RAM is: link it for 0x100000 or above"
        index = bisect_right(self._taken, (start + 1,))
        for other_start, other_end, other in self._taken[max(index - 1, 0):index + 1]:
            if start < other_end and other_start < end:
                return f"overlaps {other} at {max(start, other_start):#x}: link them apart"
        return None


def boot(image: Image, memory_size: int) -> BootState:
    """Place `image` in `memory_size` bytes of RAM, with what its kind is told at the start.

    A Multiboot kernel's modules follow its highest segment, each on a page of its own. Raises ImageError if something
    lies outside RAM, in the hole below 1 MiB, or over something else.
    """
    from loader import multiboot

    ram = Ram(memory_size, image.name)
    writes: list[tuple[int, bytes]] = []
    for segment in image.segments:
        end = segment.physical + segment.memory_size
        ram.claim(segment.physical, segment.memory_size, f"segment {segment.physical:#x}-{max(end - 1, 0):#x}")
    for segment in image.segments:                         # after the checks: hostile sizes must not allocate
        writes += segment.writes
    if image.kind != "multiboot":
        return BootState(image.entry, {"eax": 0, "ebx": 0}, writes)
    information, more = multiboot.place_information(image, ram)
    return BootState(image.entry, {"eax": multiboot.BOOTLOADER_MAGIC, "ebx": information}, writes + more)


def load(path_or_name: str | Path, *, address: int | None = None, command_line: str | None = None,
         modules: Sequence[Path | str | Module] = ()) -> Image:
    """The image that a person means: a name from guest/images, a manifest (*.toml), an ELF, Multiboot or flat file.

    A `Path`, or a string with a separator, is always a file. `address` is where a flat file goes and starts. Only a
    Multiboot kernel takes a `command_line` (it replaces a manifest's) and `modules`: a path, or a string "path
    arguments"; they follow a manifest's programs. Raises ImageError.
    """
    from loader import manifest

    ours = manifest.find(path_or_name)
    if ours is None:
        image = recognise(read_file(Path(path_or_name)), str(path_or_name), address)
        image.name = Path(path_or_name).name
    elif address is None:
        from loader.build import build

        image = build(ours)
    else:
        raise ImageError(f"{path_or_name}: a manifest says itself where things go: leave out --address")
    if image.kind != "multiboot" and (command_line is not None or modules):
        raise ImageError(f"{path_or_name}: only a Multiboot kernel takes a command line and modules, "
                         f"and this is {_KINDS[image.kind]}: leave them out")
    if command_line is not None:
        encode_string(command_line)
        image.command_line = command_line
    image.modules += [_module(module) for module in modules]
    return image


_KINDS = {"elf": "an ELF file without a Multiboot header", "flat": "a flat file"}      # for messages


def recognise(data: bytes, name: str, address: int | None = None) -> Image:
    """The image in the bytes of an ELF, Multiboot or flat file (the latter at `address`); `name` is for messages.

    Raises ImageError.
    """
    from loader import elf, flat, multiboot

    if not data:
        raise ImageError(f"{name}: is empty")
    header = multiboot.find_header(data)
    recognised = "a Multiboot kernel" if header else "an ELF file" if elf.is_elf(data) else None
    if recognised and address is not None:
        raise ImageError(f"{name}: is {recognised}, which says itself where it goes: leave out --address")
    if header:
        return multiboot.read(data, name, header)
    if recognised:
        return elf.read_image(data, name)
    if address is None:
        raise ImageError(f"{name}: neither ELF nor Multiboot; if it is a flat file, say where it goes (--address)")
    return flat.read(data, name, address)


def _module(module: Path | str | Module) -> Module:
    """A module as given to `load`: its file is read; what the kernel is told begins with the file's name."""
    if isinstance(module, Module):
        return module
    path, _, arguments = (module, "", "") if isinstance(module, Path) else module.partition(" ")
    string = f"{Path(path).name} {arguments}".rstrip()
    encode_string(string)
    return Module(string, read_file(Path(path)))


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
