"""Source lines and functions in the form that gdb reads: DWARF 3 sections for an ELF file that has none.

Each stretch of code without a gap is a compilation unit in assembly (DWARF 3, sections 3.1.1 and 6.2), each symbol in
it a function (3.3.1): in code that nobody has called, `next` goes by the function to tell whether it is in a call.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise

from loader.symbols import LineMap
from tools.gdb.leb128 import signed, unsigned

VERSION = 3
ASSEMBLER = 0x8001                      # DW_LANG_Mips_Assembler, which stands for any
NAME, LOW_PC, HIGH_PC = b"\x03\x08", b"\x11\x01", b"\x12\x01"        # DW_AT_name, DW_FORM_string; both DW_FORM_addr
ABBREVIATIONS = b"".join((
    b"\x01\x11\x01", NAME,            # 1: DW_TAG_compile_unit, with children
    b"\x1B\x08",                       # DW_AT_comp_dir, DW_FORM_string
    b"\x13\x05",                       # DW_AT_language, DW_FORM_data2
    b"\x10\x06",                       # DW_AT_stmt_list, DW_FORM_data4: where its lines begin in .debug_line
    LOW_PC, HIGH_PC, b"\0\0",
    b"\x02\x2E\x00", NAME,            # 2: DW_TAG_subprogram, without children
    LOW_PC, HIGH_PC, b"\0\0", b"\0"))
STANDARD_LENGTHS = bytes((0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1))      # operands of the standard opcodes
COPY, ADVANCE_PC, ADVANCE_LINE, SET_FILE = 1, 2, 3, 4               # DW_LNS_*
END_SEQUENCE, SET_ADDRESS = b"\x00\x01\x01", b"\x00\x05\x02"        # DW_LNE_*, with their lengths

SHOFF, SHNUM = 0x20, 0x30               # in the ELF header: u32 section headers; u16 how many, u16 the one with names
HEADER = struct.Struct("<10I")          # of a section: name, type, flags, address, offset, size, link, info, ...
PROGBITS = 1

Line = tuple[int, str, int]             # address, file, line


def source_sections(lines: LineMap, functions: Mapping[int, str], folder: str) -> dict[str, bytes]:
    """The sections that tell of lines, and of functions by address; names of files count from `folder`."""
    units, programs = b"", b""
    for stretch, end in _stretches(lines):
        units += _unit(stretch, end, functions, folder, len(programs))
        programs += _program(stretch, end)
    return {".debug_abbrev": ABBREVIATIONS, ".debug_info": units, ".debug_line": programs}


def _stretches(lines: LineMap) -> Iterator[tuple[list[Line], int]]:
    """Runs of lines without a gap, and where each ends."""
    found: list[Line] | None = None
    for has_line, entries in groupby(lines.entries, lambda entry: bool(entry[2])):
        run = list(entries)
        if has_line:
            found = run
        elif found:
            yield found, run[0][0]
            found = None


def _unit(stretch: Sequence[Line], end: int, functions: Mapping[int, str], folder: str, at: int) -> bytes:
    """A compilation unit whose line program begins `at`."""
    start, name, _ = stretch[0]
    body = struct.pack("<HIB", VERSION, 0, 4)               # abbreviations at 0, addresses of 4 bytes
    body += b"\x01" + _string(name) + _string(folder) + struct.pack("<HIII", ASSEMBLER, at, start, end)
    here = [address for address in sorted(functions) if start <= address < end]
    for low, high in pairwise((*here, end)):
        body += b"\x02" + _string(functions[low]) + struct.pack("<II", low, high)
    body += b"\0"                                           # no more children
    return struct.pack("<I", len(body)) + body


def _program(stretch: Sequence[Line], end: int) -> bytes:
    """The line program of a stretch."""
    files = list(dict.fromkeys(file for _, file, _ in stretch))
    header = struct.pack("<BBbBB", 1, 1, -5, 14, len(STANDARD_LENGTHS) + 1) + STANDARD_LENGTHS + b"\0"
    header += b"".join(_string(file) + b"\0\0\0" for file in files) + b"\0"
    address, line, code = stretch[0][0], 1, SET_ADDRESS + struct.pack("<I", stretch[0][0])
    for at, file, number in stretch:
        code += bytes((ADVANCE_PC,)) + unsigned(at - address) + bytes((SET_FILE,)) + unsigned(files.index(file) + 1)
        code += bytes((ADVANCE_LINE,)) + signed(number - line) + bytes((COPY,))
        address, line = at, number
    code += bytes((ADVANCE_PC,)) + unsigned(end - address) + END_SEQUENCE
    body = struct.pack("<HI", VERSION, len(header)) + header + code
    return struct.pack("<I", len(body)) + body


def with_sections(elf: bytes, added: dict[str, bytes]) -> bytes:
    """An ELF file with more sections: a new table of them at its end, and new names."""
    table, = struct.unpack_from("<I", elf, SHOFF)
    count, names = struct.unpack_from("<HH", elf, SHNUM)
    headers = [list(HEADER.unpack_from(elf, table + at * HEADER.size)) for at in range(count)]
    image = bytearray(elf)
    strings = bytearray(elf[headers[names][4]:headers[names][4] + headers[names][5]])
    for name, data in added.items():
        headers.append([len(strings), PROGBITS, 0, 0, len(image), len(data), 0, 0, 1, 0])
        strings += _string(name)
        image += data
    headers[names][4:6] = len(image), len(strings)
    image += strings + bytes(-(len(image) + len(strings)) % 4)
    struct.pack_into("<I", image, SHOFF, len(image))
    struct.pack_into("<H", image, SHNUM, len(headers))
    return bytes(image + b"".join(HEADER.pack(*header) for header in headers))


def _string(text: str) -> bytes:
    return text.encode() + b"\0"
