"""The ELF reader: what is loaded where, names, and one line for everything that can be wrong with a file."""

import shutil
import struct
import subprocess
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.boot import boot, load, recognise
from loader.image import ImageError

TEXT = bytes.fromhex("f4ebfd")                               # hlt; jmp to it
HIGH = (0xC0100000, 0x100000, TEXT, 0x2000)                  # a segment: virtual, physical, data, bytes in memory
FIELDS = ("ident", "type", "machine", "version", "entry", "phoff", "shoff", "flags", "ehsize", "phentsize", "phnum",
          "shentsize", "shnum", "shstrndx")                  # of Elf32_Ehdr
FUNC, OBJECT, ABSOLUTE = 2, 1, 0xFFF1                        # st_info, st_info, st_shndx
MEBIBYTE = 1 << 20


def executable(*segments, symbols=(), **fields):
    """An ELF file of (virtual, physical, data, bytes in memory), with (name, value, size, type, section) as symbols.

    `fields` replace those of the file header, after everything else is made. Sections: null, .text, names, symbols.
    """
    segments = segments or (HIGH,)
    strings = b"\0.text\0.strtab\0.symtab\0"
    table = bytes(16)
    for name, value, size, kind, section in symbols:
        table += struct.pack("<3I2BH", len(strings), value, size, 0x10 | kind, 0, section)
        strings += name.encode() + b"\0"
    start = 52 + 32 * len(segments)
    headers, data = b"", b""
    for virtual, physical, content, size in segments:
        headers += struct.pack("<8I", 1, start + len(data), virtual, physical, len(content), size, 7, 4096)
        data += content
    names = start + len(data)
    sections = bytes(40)
    sections += struct.pack("<10I", 1, 1, 6, segments[0][0], start, len(segments[0][2]), 0, 0, 1, 0)
    sections += struct.pack("<10I", 7, 3, 0, 0, names, len(strings), 0, 0, 1, 0)
    sections += struct.pack("<10I", 15, 2, 0, 0, names + len(strings), len(table), 2, 1, 4, 16)
    values = {"ident": b"\x7fELF\1\1\1", "type": 2, "machine": 3, "version": 1, "entry": segments[0][0], "phoff": 52,
              "shoff": names + len(strings) + len(table), "flags": 0, "ehsize": 52, "phentsize": 32,
              "phnum": len(segments), "shentsize": 40, "shnum": 4, "shstrndx": 2} | fields
    header = struct.pack("<16s2H5I6H", *(values[field] for field in FIELDS))
    return header + headers + data + strings + table + sections


def complaint(data, memory=16 * MEBIBYTE):
    """The one line about a bad file, from reading it or from placing it."""
    with pytest.raises(ImageError) as caught:
        boot(recognise(data, "bad.elf"), memory)
    assert str(caught.value).startswith("bad.elf: ") and "\n" not in str(caught.value)
    return str(caught.value)


def test_segments_are_loaded_at_their_physical_addresses_and_the_rest_is_zero():
    state = boot(recognise(executable(), "k"), 16 * MEBIBYTE)
    assert state.writes == [(0x100000, TEXT), (0x100000 + len(TEXT), bytes(0x2000 - len(TEXT)))]


def test_the_entry_point_becomes_physical_through_the_segment_that_holds_it():
    low = (0x101000, 0x101000, TEXT, 3)
    assert recognise(executable(low, HIGH, entry=0xC0100001), "k").entry == 0x100001
    assert recognise(executable(HIGH, low, entry=0x101001), "k").entry == 0x101001


def test_an_entry_point_that_is_physical_already_is_taken_as_it_is():
    assert recognise(executable(entry=0x100002), "k").entry == 0x100002


def test_a_plain_elf_kernel_starts_with_eax_and_ebx_zero():
    image = recognise(executable(), "k")
    assert image.kind == "elf"
    assert boot(image, 16 * MEBIBYTE).registers == {"eax": 0, "ebx": 0}


def test_symbols_are_known_by_name_and_by_address():
    image = recognise(executable(symbols=[("start", 0xC0100000, 3, FUNC, 1), ("flag", 0xC0101000, 4, OBJECT, 1)]), "k")
    assert image.symbols.address("flag") == 0xC0101000
    assert image.symbols.name(0xC0100001) == "start+0x1"


def test_plain_numbers_local_labels_and_undefined_symbols_name_no_address():
    symbols = [("TICK_HZ", 1000, 0, 0, ABSOLUTE), (".Lloop", 0xC0100000, 0, 0, 1), ("elsewhere", 0xC0100000, 0, 0, 0),
               ("end", 0xC0102000, 0, 0, ABSOLUTE)]
    assert sorted(recognise(executable(symbols=symbols), "k").symbols) == ["end"]


def test_a_stripped_file_has_no_symbols():
    image = recognise(executable(shoff=0, shnum=0, shstrndx=0), "k")
    assert not list(image.symbols)


def test_a_segment_that_is_all_zeros_is_loaded():
    bss = (0x200000, 0x200000, b"", 16)
    assert (0x200000, bytes(16)) in boot(recognise(executable(HIGH, bss), "k"), 16 * MEBIBYTE).writes


BAD_HEADERS = {
    "wrong class": ({"ident": b"\x7fELF\2\1\1"}, "64-bit ELF"),
    "no class": ({"ident": b"\x7fELF\7\1\1"}, "unknown class 7"),
    "wrong byte order": ({"ident": b"\x7fELF\1\2\1"}, "not little-endian"),
    "wrong machine": ({"machine": 40}, "another processor"),
    "wrong version": ({"version": 2}, "e_version is 2"),
    "object file": ({"type": 1}, "object file: link it"),
    "shared object": ({"type": 3}, "-no-pie"),
    "core dump": ({"type": 4}, "not an executable"),
    "no program headers": ({"phnum": 0}, "no program headers"),
    "program headers of another size": ({"phentsize": 56}, "program headers of 56 bytes"),
    "program headers beyond the file": ({"phoff": 1 << 31}, "truncated: program headers"),
    "section headers beyond the file": ({"shoff": 1 << 31}, "truncated: section headers"),
    "section headers of another size": ({"shentsize": 64}, "section headers of 64 bytes"),
    "no table of section names": ({"shstrndx": 1}, "e_shstrndx is 1, which is no string table"),
    "entry outside": ({"entry": 0xC0102000}, "entry point 0xc0102000 lies in no segment"),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_a_bad_header_is_refused_with_its_own_line(case):
    fields, text = BAD_HEADERS[case]
    assert text in complaint(executable(**fields))


BAD_SEGMENTS = {
    "more in the file than in memory": ([(0x100000, 0x100000, TEXT, 2)], "more bytes in the file"),
    "beyond 4 GiB": ([(0x100000, 0x100000, TEXT, 0xFFFFFFFF)], "ends beyond 4 GiB"),
    "too large for memory": ([(0x100000, 0x100000, TEXT, 0x1000000)], "give the machine 17 MiB (--mem)"),
    "far too large for memory": ([(0x100000, 0x100000, TEXT, 0xFF000000)], "where no machine has RAM"),
    "physical address of the high half": ([(0xC0100000, 0xC0100000, TEXT, 3)], "where no machine has RAM"),
    "in the hole": ([(0xB8000, 0xB8000, TEXT, 3)], "where no RAM is"),
    "into the hole": ([(0x9F000, 0x9F000, TEXT, 0x1001)], "where no RAM is"),
    "overlap": ([HIGH, (0x101FFF, 0x101FFF, TEXT, 3)], "overlaps segment 0x100000-0x101fff at 0x101fff"),
    "overlap from below": ([HIGH, (0xFF000, 0x100000 - 1, TEXT, 3)], "where no RAM is"),
    "nothing to load": ([(0x100000, 0x100000, b"", 0)], "no segment to load"),
}


@pytest.mark.parametrize("case", BAD_SEGMENTS)
def test_a_bad_segment_is_refused_with_its_own_line(case):
    segments, text = BAD_SEGMENTS[case]
    assert text in complaint(executable(*segments))


@pytest.mark.parametrize(("end", "text"), [(20, "ELF header ends at byte 52, the file has 20"), (60, "program headers"),
                                           (85, "segment at 0xc0100000"), (-1, "section headers")])
def test_a_truncated_file_is_refused_with_what_is_missing(end, text):
    assert "truncated: " + text in complaint(executable()[:end])


def test_segments_that_share_bytes_of_the_file_are_refused():
    data = bytearray(executable(*[(n << 20, n << 20, bytes(200), 200) for n in range(1, 4)]))
    for n in range(3):                                       # all of them: the whole file
        struct.pack_into("<I", data, 52 + 32 * n + 4, 0)
        struct.pack_into("<2I", data, 52 + 32 * n + 16, len(data), len(data))
    assert "share bytes" in complaint(bytes(data))


def test_a_symbol_whose_name_lies_outside_the_table_is_refused():
    data = executable(symbols=[("start", 0xC0100000, 0, FUNC, 1)])
    entry = struct.pack("<3I", 23, 0xC0100000, 0)
    assert "symbol 1 has its name beyond the string table" in complaint(data.replace(entry, b"\xff" * 4 + entry[4:]))


def test_a_broken_line_map_is_refused():
    data = executable(symbols=[(".trapline.lines", 0, 0, 0, 0)])
    section = struct.pack("<2I", 1, 1)                       # .text: rename it to the symbol's name
    assert ".trapline.lines is damaged" in complaint(data.replace(section, struct.pack("<2I", 23, 1)))


def test_a_segment_of_nearly_4_gib_costs_no_memory():
    data = executable((0x100000, 0x100000, TEXT, 0xFFE00000))
    tracemalloc.start()
    try:
        complaint(data)
        assert tracemalloc.get_traced_memory()[1] < MEBIBYTE
    finally:
        tracemalloc.stop()


def test_sixty_thousand_segments_that_all_name_one_byte_range_cost_no_memory():
    count = 0xFFFF
    headers = b"".join(struct.pack("<8I", 1, 0, n << 12, n << 12, 4096, 4096, 7, 4096) for n in range(count))
    header = executable(phnum=count, shoff=0, shnum=0)[:52]
    tracemalloc.start()
    try:
        assert "share bytes" in complaint(header + headers)
        assert tracemalloc.get_traced_memory()[1] < 64 * MEBIBYTE
    finally:
        tracemalloc.stop()


VALID = executable(HIGH, (0x200000, 0x200000, b"data", 64),
                   symbols=[("start", 0xC0100000, 3, FUNC, 1), ("data", 0x200000, 4, OBJECT, 1)])


@settings(max_examples=500, deadline=2000)
@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=8),
       st.one_of(st.none(), st.integers(0, len(VALID))))
def test_a_file_with_random_damage_boots_or_is_refused_in_one_line(damage, end):
    data = bytearray(VALID)
    for where, value in damage:
        data[where] = value
    try:
        state = boot(recognise(bytes(data[:end]), "k"), 4 * MEBIBYTE)
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert all(address + len(part) <= 4 * MEBIBYTE for address, part in state.writes)


@settings(max_examples=200, deadline=2000)
@given(st.integers(0, (len(VALID) - 4) // 4), st.sampled_from([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0]))
def test_a_file_with_an_extreme_field_boots_or_is_refused_in_one_line(word, value):
    data = bytearray(VALID)
    struct.pack_into("<I", data, 4 * word, value)
    try:
        boot(recognise(bytes(data), "k"), 4 * MEBIBYTE)
    except ImageError as error:
        assert "\n" not in str(error)


GNU = pytest.mark.skipif(not all(map(shutil.which, ("as", "ld", "nm"))), reason="no GNU assembler and linker here")
SOURCE = """
.globl _start, message
_start: hlt
        jmp _start
.Llocal: nop
.data
message: .asciz "gnu"
.bss
stack:  .space 8192
"""


@GNU
@pytest.mark.parametrize("options", [["-Ttext", "0x100000"], ["-n", "-Ttext", "0x100000"],
                                     ["-N", "-Ttext", "0x200000"]])
def test_a_file_linked_by_gnu_ld_has_the_symbols_that_nm_prints(tmp_path, options):
    (tmp_path / "k.s").write_text(SOURCE)
    subprocess.run(["as", "--32", "k.s", "-o", "k.o"], cwd=tmp_path, check=True)
    subprocess.run(["ld", "-m", "elf_i386", *options, "k.o", "-o", "k.elf"], cwd=tmp_path, check=True,
                   stderr=subprocess.DEVNULL)
    nm = subprocess.run(["nm", "k.elf"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    wanted = {name: int(address, 16) for address, _, name in map(str.split, nm.splitlines())}
    image = load(tmp_path / "k.elf")
    assert image.entry == int(options[-1], 16)
    assert {name: image.symbols.address(name) for name in wanted} == wanted
    memory = {address + i: byte for address, data in boot(image, 16 * MEBIBYTE).writes for i, byte in enumerate(data)}
    assert bytes(memory[wanted["message"] + i] for i in range(4)) == b"gnu\0"
    assert memory[wanted["stack"] + 8191] == 0
