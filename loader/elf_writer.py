"""Programs as ELF32 files: executable, little-endian, for the i386 (System V ABI, chapters 4 and 5).

Each segment is a program header, with its load address as p_paddr, and a section. Symbols are in .symtab. Which source
line an address comes from is in a section of our own, .trapline.lines, all little-endian:

    u32 version (1)
    u32 number of files, u32 number of entries
    per file: u16 length, its name in UTF-8
    per entry: u32 address, u16 file, u32 line (0: no line from here on)
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from loader.linker import Program, ProgramSegment, ProgramSymbol
from loader.symbols import LineMap

LINES_SECTION = ".trapline.lines"
LINES_VERSION = 1
PAGE = 4096                 # file offset and address of a segment agree modulo this

_HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
_PROGRAM_HEADER = struct.Struct("<8I")
_SECTION_HEADER = struct.Struct("<10I")
_SYMBOL = struct.Struct("<IIIBBH")
_ENTRY = struct.Struct("<IHI")

_IDENT = b"\x7fELF\x01\x01\x01" + bytes(9)      # 32-bit, little-endian, version 1, System V
_EXEC, _386, _VERSION = 2, 3, 1                 # ET_EXEC, EM_386, EV_CURRENT
_LOAD = 1                                       # PT_LOAD
_PROGBITS, _SYMTAB, _STRTAB, _NOBITS = 1, 2, 3, 8       # section types
_WRITE, _ALLOC, _EXECINSTR = 1, 2, 4            # section flags
_ABS = 0xFFF1                                   # SHN_ABS: the symbol belongs to no section
_KIND = {"": 0, "object": 1, "func": 2}         # STT_NOTYPE, STT_OBJECT, STT_FUNC
_P_FLAGS = {"r-x": 5, "r--": 4, "rw-": 6}       # PF_R | PF_X, PF_R, PF_R | PF_W
_SH_FLAGS = {"r-x": _ALLOC | _EXECINSTR, "r--": _ALLOC, "rw-": _ALLOC | _WRITE}


class LinesError(ValueError):
    """A line table cannot be read: one line that says why."""


@dataclass
class _SectionHeader:
    name: str
    type: int
    flags: int = 0
    address: int = 0
    offset: int = 0
    size: int = 0
    link: int = 0
    info: int = 0
    align: int = 1
    entry_size: int = 0


def write_elf(program: Program) -> bytes:
    """The ELF file of `program`."""
    segments = program.segments
    image = bytearray(_HEADER.size + _PROGRAM_HEADER.size * len(segments))
    program_headers = b""
    sections = [_SectionHeader("", 0, align=0)]
    for segment in segments:
        offset = _append(image, segment.data, PAGE)
        program_headers += _PROGRAM_HEADER.pack(
            _LOAD, offset, segment.virtual, segment.physical, len(segment.data), segment.memory_size,
            _P_FLAGS[segment.flags], PAGE)
        sections.append(_SectionHeader(
            segment.name, _PROGBITS if segment.data else _NOBITS, _SH_FLAGS[segment.flags], segment.virtual, offset,
            segment.memory_size, align=16))
    _append_tables(image, sections, program)
    names = _Strings()
    sections.append(_SectionHeader(".shstrtab", _STRTAB))
    indices = [names.add(section.name) for section in sections]
    sections[-1].offset, sections[-1].size = _append(image, names.data, 1), len(names.data)
    headers = b"".join(_SECTION_HEADER.pack(index, s.type, s.flags, s.address, s.offset, s.size, s.link, s.info,
                                            s.align, s.entry_size) for index, s in zip(indices, sections, strict=True))
    table = _append(image, headers, 4)
    image[:_HEADER.size] = _HEADER.pack(
        _IDENT, _EXEC, _386, _VERSION, program.entry, _HEADER.size if segments else 0, table, 0, _HEADER.size,
        _PROGRAM_HEADER.size, len(segments), _SECTION_HEADER.size, len(sections), len(sections) - 1)
    image[_HEADER.size:_HEADER.size + len(program_headers)] = program_headers
    return bytes(image)


def _append(image: bytearray, data: bytes | bytearray, align: int) -> int:
    """Append `data` at a multiple of `align`; its file offset."""
    image += bytes(-len(image) % align)
    offset = len(image)
    image += data
    return offset


def _append_tables(image: bytearray, sections: list[_SectionHeader], program: Program) -> None:
    """Lines, symbols and their names."""
    lines = lines_bytes(program.lines)
    sections.append(_SectionHeader(LINES_SECTION, _PROGBITS, offset=_append(image, lines, 4), size=len(lines), align=4))
    ordered = sorted(program.defined, key=lambda s: s.is_global)       # ELF wants local symbols first
    names = _Strings()
    symbols = _symbols(ordered, program.segments, names)
    first_global = 1 + sum(not symbol.is_global for symbol in ordered)
    sections.append(_SectionHeader(
        ".symtab", _SYMTAB, offset=_append(image, symbols, 4), size=len(symbols), link=len(sections) + 1,
        info=first_global, align=4, entry_size=_SYMBOL.size))
    sections.append(_SectionHeader(".strtab", _STRTAB, offset=_append(image, names.data, 1), size=len(names.data)))


def _symbols(ordered: Sequence[ProgramSymbol], segments: Sequence[ProgramSegment], names: _Strings) -> bytes:
    index = {segment.name: number for number, segment in enumerate(segments, 1)}
    table = bytearray(_SYMBOL.size)
    for symbol in ordered:
        info = symbol.is_global << 4 | _KIND[symbol.kind]               # STB_LOCAL or STB_GLOBAL, and the type
        table += _SYMBOL.pack(names.add(symbol.name), symbol.address & 0xFFFFFFFF, symbol.size, info, 0,
                              index.get(symbol.section, _ABS))
    return bytes(table)


class _Strings:
    """A string table: names end in a zero byte, the first is empty."""

    def __init__(self) -> None:
        self.data = bytearray(b"\0")

    def add(self, name: str) -> int:
        """The offset of `name`, added."""
        if not name:
            return 0
        offset = len(self.data)
        self.data += name.encode() + b"\0"
        return offset


# Lines

def lines_bytes(lines: LineMap) -> bytes:
    """The content of .trapline.lines."""
    files = lines.files
    if len(files) > 0xFFFF:
        raise LinesError(f"{LINES_SECTION}: {len(files)} source files are more than 65,535")
    number = {name: index for index, name in enumerate(files)}
    table = bytearray(struct.pack("<III", LINES_VERSION, len(files), len(lines)))
    for name in files:
        encoded = name.encode()[:0xFFFF]
        table += struct.pack("<H", len(encoded)) + encoded
    for address, file, line in lines.entries:
        table += _ENTRY.pack(address & 0xFFFFFFFF, number[file] if line else 0, line)
    return bytes(table)


def read_lines(data: bytes) -> LineMap:
    """The line map in the content of .trapline.lines. Raises LinesError if it is damaged or of another version."""
    try:
        version, file_count, count = struct.unpack_from("<III", data)
        if version != LINES_VERSION:
            raise LinesError(f"{LINES_SECTION}: version {version}, known is {LINES_VERSION}")
        position, files = 12, []
        for _ in range(file_count):
            (length,) = struct.unpack_from("<H", data, position)
            name = data[position + 2:position + 2 + length]
            if len(name) < length:
                raise LinesError(f"{LINES_SECTION}: the file names are cut off")
            files.append(name.decode())
            position += 2 + length
        if len(data) - position != count * _ENTRY.size:
            raise LinesError(f"{LINES_SECTION}: {count} entries are announced, {len(data) - position} bytes follow")
        return LineMap((address, files[file] if line else "", line)
                       for address, file, line in _ENTRY.iter_unpack(data[position:]))
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise LinesError(f"{LINES_SECTION} is damaged: {error}") from None
