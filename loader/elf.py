"""Reading ELF32 executables for IA-32: segments, entry point, symbols, line map and section headers.

Structures and constants are those of the "Tool Interface Standard (TIS) ELF Specification", version 1.2, book I and its
Intel supplement. Nothing in the file is believed: each offset is checked against the file before it is followed, and
what is copied never exceeds the file's own size. Program headers, and symbols if there are any, have to be sound.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from typing import NamedTuple

from loader.elf_writer import LINES_SECTION, LinesError, read_lines
from loader.image import HOLE, Image, ImageError, Segment
from loader.symbols import LineMap, SymbolTable

MAGIC = b"\x7fELF"                   # e_ident[EI_MAG0..3]
CLASS_32, CLASS_64 = 1, 2            # e_ident[EI_CLASS]
LITTLE_ENDIAN = 1                    # e_ident[EI_DATA], ELFDATA2LSB
LONGEST_NAME = 4096                  # a longer name is cut, so that hostile tables cost no time, bytes


class FileType(IntEnum):
    """e_type: what an ELF file is."""

    REL = 1                          # object file, not linked
    EXEC = 2                         # executable at fixed addresses: the one we load
    DYN = 3                          # shared object or position-independent executable


class SegmentType(IntEnum):
    """p_type, as far as we look at it."""

    LOAD = 1                         # goes into memory


class SectionType(IntEnum):
    """sh_type, as far as we look at it."""

    NULL = 0                         # no section
    SYMTAB = 2                       # symbols
    STRTAB = 3                       # names
    NOBITS = 8                       # nothing in the file


class SymbolType(IntEnum):
    """Low half of st_info: the kinds of symbols that name code or data."""

    NOTYPE = 0                       # anything
    OBJECT = 1                       # data
    FUNC = 2                         # code


SHF_ALLOC = 2                        # sh_flags: occupies memory, so it lies in a segment
SHN_UNDEF, SHN_ABS = 0, 0xFFF1       # st_shndx: defined elsewhere; a number, not an address in a section
MACHINE_386 = 3                      # e_machine, EM_386


class FileHeader(NamedTuple):
    """Elf32_Ehdr."""

    ident: bytes                     # magic, class, byte order, version
    type: int                        # FileType
    machine: int                     # processor
    version: int                     # 1
    entry: int                       # virtual address of the first instruction
    phoff: int                       # program headers: offset in the file
    shoff: int                       # section headers: offset in the file, 0 if none
    flags: int                       # none on IA-32
    ehsize: int                      # size of this header
    phentsize: int                   # size of a program header
    phnum: int                       # how many
    shentsize: int                   # size of a section header
    shnum: int                       # how many
    shstrndx: int                    # section with the names of sections


class ProgramHeader(NamedTuple):
    """Elf32_Phdr."""

    type: int                        # SegmentType
    offset: int                      # in the file
    vaddr: int                       # virtual address
    paddr: int                       # physical address: where it is loaded
    filesz: int                      # bytes in the file
    memsz: int                       # bytes in memory
    flags: int                       # read, write, execute
    align: int                       # of address and offset

    def holds(self, address: int, start: int) -> bool:
        """Whether `address` lies in this segment when it begins at `start` (its vaddr or paddr)."""
        return start <= address < start + self.memsz


class SectionHeader(NamedTuple):
    """Elf32_Shdr."""

    name: int                        # offset in the section with names
    type: int                        # SectionType
    flags: int                       # SHF_ALLOC and others
    addr: int                        # virtual address, 0 if it is not in memory
    offset: int                      # in the file
    size: int                        # bytes
    link: int                        # of a symbol table: the section with its names
    info: int                        # of a symbol table: one past the last local symbol
    addralign: int                   # alignment
    entsize: int                     # bytes of one entry of a table


class Symbol(NamedTuple):
    """Elf32_Sym."""

    name: int                        # offset in the table of names
    value: int                       # address
    size: int                        # bytes, 0 if unknown
    info: int                        # binding << 4 | SymbolType
    other: int                       # visibility
    shndx: int                       # section it is defined in, or SHN_...


_FILE_HEADER = struct.Struct("<16s2H5I6H")
_PROGRAM_HEADER = struct.Struct("<8I")
_SECTION_HEADER = struct.Struct("<10I")
_SYMBOL = struct.Struct("<3I2BH")


@dataclass(frozen=True)
class SectionTable:
    """The section headers, and the contents of those sections that lie in no segment (symbols, names, debugging)."""

    headers: list[SectionHeader]     # as in the file
    contents: dict[int, bytes]       # by number
    names: int                       # number of the section with the names of sections

    ENTRY = _SECTION_HEADER.size     # bytes of one header

    @property
    def shape(self) -> tuple[int, int, int]:
        """(number of headers, bytes of each, number of the section with the names)."""
        return len(self.headers), self.ENTRY, self.names

    def placed_at(self, base: int) -> bytes:
        """The table as it lies in memory at physical address `base`, the contents behind it.

        Headers of these sections get their physical address, as Multiboot 0.6.96, section 3.3, asks for.
        """
        table, tail = bytearray(), bytearray()
        start = base + len(self.headers) * self.ENTRY
        for number, header in enumerate(self.headers):
            if number in self.contents:
                tail += bytes(-(start + len(tail)) % 16)
                header = header._replace(addr=start + len(tail))
                tail += self.contents[number]
            table += _SECTION_HEADER.pack(*header)
        return bytes(table + tail)


@dataclass(frozen=True)
class Elf:
    """What an executable says."""

    entry: int                       # physical address of the first instruction
    segments: list[Segment]          # what is loaded where
    symbols: SymbolTable             # empty for a stripped file
    lines: LineMap                   # empty unless our linker wrote the file
    sections: SectionTable | None    # None for a file without section headers


def is_elf(data: bytes) -> bool:
    """Whether a file begins as ELF files do, whatever its class."""
    return data.startswith(MAGIC)


def is_elf32(data: bytes) -> bool:
    """Whether a file begins as a little-endian ELF32 file does."""
    return data.startswith(MAGIC + bytes([CLASS_32, LITTLE_ENDIAN]))


def read_image(data: bytes, name: str) -> Image:
    """The image of a kernel that is ELF and nothing else. Raises ImageError, as `read` does."""
    executable = read(data, name)
    return Image(name, "elf", executable.entry, executable.segments, executable.symbols, executable.lines)


def read(data: bytes, name: str) -> Elf:
    """The executable in `data`; `name` is the file's, for messages. Raises ImageError: one line on what is wrong.

    The entry point is translated by the segment whose virtual addresses hold it, or else by the one whose physical
    addresses do: kernels linked for the high half give either.
    """
    file = _File(data, name)
    header = _file_header(file)
    loads = _program_headers(file, header)
    segments = [Segment(p.paddr, data[p.offset:p.offset + p.filesz], p.memsz) for p in loads]
    spans = _Spans([(start, start + p.memsz) for p in loads for start in (p.vaddr, p.paddr)])
    symbols, lines, sections = _names(file, header, spans)
    return Elf(_physical_entry(file, header, loads), segments, symbols, lines, sections)


def read_names(data: bytes, name: str, spans: list[tuple[int, int]]) -> tuple[SymbolTable, LineMap,
                                                                              SectionTable | None]:
    """Symbols, lines and sections alone, of a file that is loaded by other means than its program headers.

    `spans` are the (first, one past the last) addresses in which an absolute symbol is taken for an address. Raises
    ImageError.
    """
    file = _File(data, name)
    header = FileHeader(*_FILE_HEADER.unpack(file.part(0, _FILE_HEADER.size, "ELF header")))
    return _names(file, header, _Spans(spans))


class _Spans:
    """Ranges of addresses, to ask whether an address lies in one or at its end; fast whatever their number."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._starts = sorted(start for start, _ in spans)
        self._ends = list(accumulate((end for _, end in sorted(spans)), max))      # highest end so far

    def touch(self, address: int) -> bool:
        """Whether some span has first <= address <= end."""
        index = bisect_right(self._starts, address) - 1
        return index >= 0 and address <= self._ends[index]


@dataclass(frozen=True)
class _File:
    """A file's bytes, and how to complain about them."""

    data: bytes                      # all of it
    name: str                        # for messages

    def error(self, text: str) -> ImageError:
        """What to raise: the file's name and `text`."""
        return ImageError(f"{self.name}: {text}")

    def check(self, offset: int, size: int, what: str) -> None:
        """Raise ImageError unless the file has `size` bytes at `offset`."""
        if offset + size > len(self.data):
            raise self.error(f"truncated: {what} ends at byte {offset + size}, the file has {len(self.data)}: "
                             "copy or link it again")

    def part(self, offset: int, size: int, what: str) -> bytes:
        """`size` bytes at `offset`. Raises ImageError if the file is too short."""
        self.check(offset, size, what)
        return self.data[offset:offset + size]


def _file_header(file: _File) -> FileHeader:
    """The file header of a file that we can run."""
    header = FileHeader(*_FILE_HEADER.unpack(file.part(0, _FILE_HEADER.size, "ELF header")))
    word_size, byte_order = header.ident[4], header.ident[5]
    if word_size != CLASS_32:
        kind = "64-bit ELF" if word_size == CLASS_64 else f"ELF of unknown class {word_size}"
        raise file.error(f"{kind} (EI_CLASS): build it for 32 bits (gcc -m32, ld -m elf_i386)")
    if byte_order != LITTLE_ENDIAN:
        raise file.error(f"not little-endian (EI_DATA is {byte_order}): build it for IA-32")
    if header.machine != MACHINE_386:
        raise file.error(f"for another processor (e_machine is {header.machine}, IA-32 is {MACHINE_386})")
    if header.version != 1:
        raise file.error(f"e_version is {header.version}; only 1 exists")
    if header.type != FileType.EXEC:
        kinds: dict[int, str] = {FileType.REL: "an object file: link it",
                                 FileType.DYN: "position-independent: link it with -no-pie"}
        raise file.error(kinds.get(header.type, f"not an executable (e_type is {header.type}, ET_EXEC is 2)"))
    return header


def _table(file: _File, layout: struct.Struct, place: tuple[int, int, int], what: str) -> Iterator[tuple[int, ...]]:
    """The entries of a table of which the file header gives the `place`: (offset, bytes of an entry, how many)."""
    offset, entry, count = place
    if entry != layout.size:
        raise file.error(f"{what} of {entry} bytes; ELF32 has {layout.size}")
    return layout.iter_unpack(file.part(offset, entry * count, what))


def _program_headers(file: _File, header: FileHeader) -> list[ProgramHeader]:
    """The segments to load, each with its bytes in the file and its addresses below 4 GiB."""
    if header.phnum == 0:
        raise file.error("has no program headers, so nothing to load: link it")
    place = header.phoff, header.phentsize, header.phnum
    headers = [ProgramHeader(*p) for p in _table(file, _PROGRAM_HEADER, place, "program headers")]
    loads = [p for p in headers if p.type == SegmentType.LOAD and p.memsz]
    for p in loads:
        what = f"segment at {p.vaddr:#x}"
        if p.filesz > p.memsz:
            raise file.error(f"{what} has more bytes in the file ({p.filesz:#x}) than in memory ({p.memsz:#x})")
        if max(p.vaddr, p.paddr) + p.memsz > 1 << 32:
            raise file.error(f"{what} of {p.memsz:#x} bytes ends beyond 4 GiB")
        file.check(p.offset, p.filesz, what)
    loads = [p for p in loads if not _is_header_page(header, p)]
    if not loads:
        raise file.error("has no segment to load (PT_LOAD): link it")
    if sum(p.filesz for p in loads) > len(file.data):
        raise file.error("segments share bytes of the file: link it again")
    return loads


def _is_header_page(header: FileHeader, p: ProgramHeader) -> bool:
    """Whether a segment holds the ELF headers alone and would lie in the hole below 1 MiB.

    `ld -Ttext 0x100000` puts such a segment on the page before the text; nobody needs it, and there is no RAM for it.
    """
    headers_end = header.phoff + header.phentsize * header.phnum
    in_hole = p.paddr < HOLE.stop and p.paddr + p.memsz > HOLE.start
    return p.offset + p.memsz <= headers_end and in_hole


def _physical_entry(file: _File, header: FileHeader, loads: list[ProgramHeader]) -> int:
    """Where execution starts, as a physical address."""
    for p in loads:
        if p.holds(header.entry, p.vaddr):
            return p.paddr + header.entry - p.vaddr
    if any(p.holds(header.entry, p.paddr) for p in loads):
        return header.entry
    raise file.error(f"entry point {header.entry:#x} lies in no segment: define _start, or name another (ld -e)")


def _names(file: _File, header: FileHeader, spans: _Spans) -> tuple[SymbolTable, LineMap, SectionTable | None]:
    """Symbols, lines and the section table, empty as far as the file has none."""
    if header.shoff == 0 or header.shnum == 0:
        return SymbolTable([]), LineMap([]), None
    place = header.shoff, header.shentsize, header.shnum
    sections = [SectionHeader(*s) for s in _table(file, _SECTION_HEADER, place, "section headers")]
    for number, section in enumerate(sections):
        if section.type not in (SectionType.NULL, SectionType.NOBITS):
            file.check(section.offset, section.size, f"section {number}")
    names = _strings(file, sections, header.shstrndx, "e_shstrndx") if header.shstrndx else b"\0"
    named = {_string(names, section.name): number for number, section in enumerate(sections)}
    return (_symbols(file, sections, spans), _lines(file, sections, named.get(LINES_SECTION)),
            _section_table(file, sections, header.shstrndx, named.get(LINES_SECTION)))


def _strings(file: _File, sections: list[SectionHeader], number: int, where: str) -> bytes:
    """The table of names in section `number`, which the field `where` refers to."""
    if number >= len(sections) or sections[number].type != SectionType.STRTAB:
        raise file.error(f"{where} is {number}, which is no string table: link it again, or strip it")
    strings = file.part(sections[number].offset, sections[number].size, f"section {number}")
    if not strings.endswith(b"\0"):
        raise file.error(f"string table (section {number}) does not end in a zero: link it again, or strip it")
    return strings


def _string(strings: bytes, offset: int) -> str:
    """The name at `offset` of a table; empty beyond its end."""
    return strings[offset:offset + LONGEST_NAME].split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _symbols(file: _File, sections: list[SectionHeader], spans: _Spans) -> SymbolTable:
    """The symbols that name an address. Local labels of the assembler (.L...) and plain numbers are left out."""
    table = next((section for section in sections if section.type == SectionType.SYMTAB), None)
    if table is None:
        return SymbolTable([])
    if table.entsize != _SYMBOL.size or table.size % _SYMBOL.size:
        raise file.error(f"symbol table of {table.size} bytes, {table.entsize} each; ELF32 has {_SYMBOL.size} each: "
                         "link it again, or strip it")
    strings = _strings(file, sections, table.link, "sh_link of the symbol table")
    found = []
    for number, entry in enumerate(_SYMBOL.iter_unpack(file.part(table.offset, table.size, "symbol table"))):
        symbol = Symbol(*entry)
        if symbol.name >= len(strings):
            raise file.error(f"symbol {number} has its name beyond the string table: link it again, or strip it")
        name = _string(strings, symbol.name)
        if name and not name.startswith(".L") and _names_an_address(name, symbol, spans):
            found.append((name, symbol.value, symbol.size))
    return SymbolTable(found)


def _names_an_address(name: str, symbol: Symbol, spans: _Spans) -> bool:
    """Whether a symbol stands for code or data.

    An absolute one does if it lies in the image or at an end of it, or if it is a boundary that our linker defines;
    others are plain numbers, which GNU as writes for every `.set`.
    """
    if symbol.info & 0xF > SymbolType.FUNC or symbol.shndx == SHN_UNDEF:
        return False
    is_boundary = name.startswith("__") and name.endswith(("_start", "_end"))
    return symbol.shndx != SHN_ABS or is_boundary or spans.touch(symbol.value)


def _lines(file: _File, sections: list[SectionHeader], number: int | None) -> LineMap:
    """The line map in section `number`."""
    if number is None:
        return LineMap([])
    section = sections[number]
    try:
        return read_lines(file.part(section.offset, section.size, LINES_SECTION))
    except LinesError as error:
        raise file.error(f"{error}: build it again, or strip it") from None


def _section_table(file: _File, sections: list[SectionHeader], names: int, ours: int | None) -> SectionTable:
    """The sections as a kernel is told of them; ours is for the host alone, and blanked."""
    headers = [SectionHeader(*[0] * 10) if number == ours else section for number, section in enumerate(sections)]
    contents = {number: file.data[section.offset:section.offset + section.size]
                for number, section in enumerate(headers)
                if section.type not in (SectionType.NULL, SectionType.NOBITS) and not section.flags & SHF_ALLOC}
    if sum(len(content) for content in contents.values()) > len(file.data):
        raise file.error("sections share bytes of the file: link it again, or strip it")
    return SectionTable(headers, contents, names)
