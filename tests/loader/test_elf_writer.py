"""ELF files: read back here field by field, and by binutils where they are installed."""

import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.assembler import assemble
from loader.elf_writer import LINES_SECTION, LinesError, lines_bytes, read_lines, write_elf
from loader.linker import link
from loader.symbols import LineMap

SOURCE = """
.section .boot
.long 0x1badb002, 0, -0x1badb002
; begins
.global start
start: mov esp, stack_top
jmp 8:high
.section .boot.bss
.space 64
stack_top:
.text
high: mov eax, [value]
ret
.rodata
.asciz "text"
.data
.global value
value: .long 5
.bss
.space 5000
"""


@pytest.fixture(scope="module")
def program():
    return link([assemble(SOURCE, name="a.asm")], base=0xC0100000, physical_offset=0xC0000000, entry="start")


@pytest.fixture(scope="module")
def elf(program):
    return write_elf(program)


def header(elf):
    return struct.unpack_from("<16sHHIIIIIHHHHHH", elf)


def sections(elf):
    """Section name: (type, flags, address, offset, size, link, info, align, entry size)."""
    fields = header(elf)
    table, count, names = fields[6], fields[12], fields[13]
    headers = [struct.unpack_from("<10I", elf, table + 40 * i) for i in range(count)]
    strings = elf[headers[names][4]:][:headers[names][5]]
    return {strings[h[0]:strings.index(0, h[0])].decode(): h[1:] for h in headers}


def test_the_header_says_an_i386_executable(elf, program):
    ident, kind, machine, version, entry, programs, _, flags, size, program_size, count, *_ = header(elf)
    assert ident == b"\x7fELF\x01\x01\x01" + bytes(9)
    assert (kind, machine, version, entry, programs, flags, size, program_size) == (
        2, 3, 1, program.entry, 52, 0, 52, 32)
    assert count == len(program.segments) == 6


def test_every_segment_is_loaded_from_its_bytes(elf, program):
    for i, segment in enumerate(program.segments):
        kind, offset, virtual, physical, size, memory_size, flags, align = struct.unpack_from("<8I", elf, 52 + 32 * i)
        assert (kind, virtual, physical, memory_size, align) == (
            1, segment.virtual, segment.physical, segment.memory_size, 4096)
        assert elf[offset:offset + size] == segment.data
        assert offset % 4096 == virtual % 4096
        assert flags == {"r-x": 5, "r--": 4, "rw-": 6}[segment.flags]


def test_a_multiboot_header_lies_in_the_first_8_kib(elf):
    assert 0 < elf.index(struct.pack("<I", 0x1BADB002)) < 8192


def test_the_symbols_are_those_of_the_program(elf, program):
    found = sections(elf)
    _, _, _, offset, size, _, first_global, _, entry_size = found[".symtab"]
    strings = elf[found[".strtab"][3]:]
    symbols = [struct.unpack_from("<IIIBBH", elf, offset + i) for i in range(0, size, entry_size)]
    named = {strings[s[0]:strings.index(0, s[0])].decode(): s[1:] for s in symbols[1:]}
    assert {name: s[0] for name, s in named.items()} == program.symbols
    assert {name: s[1] for name, s in named.items()} == {s.name: s.size for s in program.defined}
    assert [s[3] >> 4 for s in symbols] == [0] * first_global + [1] * (len(symbols) - first_global)
    assert named["start"][2] == 0x12 and named["value"][2] == 0x11 and named["high"][2] == 0x02
    assert list(found)[named["value"][4]] == ".data" and named["__text_start"][4] == 0xFFF1


def test_the_line_map_comes_back(elf, program):
    _, _, _, offset, size, *_ = sections(elf)[LINES_SECTION]
    assert read_lines(elf[offset:offset + size]).entries == program.lines.entries
    assert program.lines.find(program.entry) == ("a.asm", 6)


@pytest.mark.skipif(not shutil.which("readelf"), reason="no GNU binutils here")
def test_readelf_has_nothing_to_complain_about(elf, tmp_path):
    (tmp_path / "k.elf").write_bytes(elf)
    done = subprocess.run(["readelf", "-a", "-W", "k.elf"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == "" and "arning" not in done.stdout
    assert "EXEC (Executable file)" in done.stdout and "Intel 80386" in done.stdout


@pytest.mark.skipif(not shutil.which("objdump"), reason="no GNU binutils here")
def test_objdump_finds_code_under_its_symbol(elf, tmp_path):
    (tmp_path / "k.elf").write_bytes(elf)
    done = subprocess.run(["objdump", "-d", "-M", "intel", "k.elf"], cwd=tmp_path, capture_output=True, text=True,
                          check=True)
    assert done.stderr == ""
    assert "<high>:" in done.stdout and "mov    eax,ds:0xc0104000" in done.stdout


def test_a_program_of_one_section_can_be_written():
    tiny = link([assemble("; begins\n.global start\nstart: hlt\n")], base=0x100000, entry="start")
    assert header(write_elf(tiny))[10] == 1


# Line tables

entries = st.lists(st.tuples(st.integers(0, (1 << 32) - 1), st.sampled_from(["a.asm", "dir/é.asm", "x"]),
                             st.integers(0, 1 << 20)), max_size=30)


@given(entries)
def test_a_line_table_is_read_as_it_was_written(found):
    lines = LineMap((address, file if line else "", line) for address, file, line in found)
    assert read_lines(lines_bytes(lines)).entries == lines.entries


@given(st.binary(max_size=60))
def test_any_bytes_are_a_line_table_or_an_error_of_one_line(data):
    try:
        read_lines(data)
    except LinesError as error:
        assert "\n" not in str(error)


@given(entries, st.data())
def test_a_damaged_line_table_is_an_error_of_one_line(found, data):
    table = bytearray(lines_bytes(LineMap(found)))
    table[data.draw(st.integers(0, len(table) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        read_lines(bytes(table[:data.draw(st.integers(0, len(table)))]))
    except LinesError as error:
        assert "\n" not in str(error)


def test_a_line_table_of_another_version_is_refused():
    with pytest.raises(LinesError, match="version 2, known is 1"):
        read_lines(struct.pack("<III", 2, 0, 0))
