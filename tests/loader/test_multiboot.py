"""Multiboot kernels: the header, loading by ELF headers or by addresses, and the information a kernel is given."""

import itertools
import shutil
import struct
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loader.boot import boot, load, recognise
from loader.image import ImageError, Module
from loader.multiboot import find_header, memory_map

MAGIC = 0x1BADB002
CODE = bytes.fromhex("f4ebfd")               # hlt; jmp to it
MEBIBYTE = 1 << 20
AVAILABLE, RESERVED = 1, 2


def header(flags=0, *addresses):
    """A Multiboot header."""
    return struct.pack(f"<{3 + len(addresses)}I", MAGIC, flags, -(MAGIC + flags) & 0xFFFFFFFF, *addresses)


def by_address(before=b"", load=0x100000, end=0, bss=0, entry=None, header_at=None, flags=3, after=CODE):
    """A kernel whose header says where it goes: `before`, header, `after`."""
    header_at = load + len(before) if header_at is None else header_at
    entry = load + len(before) + 32 if entry is None else entry
    return before + header(flags | 1 << 16, header_at, load, end, bss, entry) + after


def elf(flags=3, physical=0x100000, size=64, offset=0):
    """A kernel in ELF, linked for the high half: Multiboot header and code in one segment."""
    text = bytes(offset) + header(flags) + CODE
    entry = 0xC0000000 + physical + offset + 12
    file = struct.pack("<16s2H5I6H", b"\x7fELF\1\1\1", 2, 3, 1, entry, 52, 0, 0, 52, 32, 1, 40, 0, 0)
    return file + struct.pack("<8I", 1, 84, 0xC0000000 + physical, physical, len(text), size, 7, 4096) + text


class Memory:
    """RAM as a kernel finds it, and the information in it, read with the offsets of the specification."""

    def __init__(self, image, size=16 * MEBIBYTE):
        self.state = boot(image, size)
        self.ram = bytearray(b"\xCC" * size)
        for address, data in self.state.writes:
            self.ram[address:address + len(data)] = data
        self.information = self.state.registers["ebx"]

    def words(self, address, count):
        return struct.unpack_from(f"<{count}I", self.ram, address)

    def field(self, offset):
        return self.words(self.information + offset, 1)[0]

    def string(self, address):
        return self.ram[address:self.ram.index(0, address)].decode()

    def modules(self):
        count, address = self.field(20), self.field(24)
        entries = [self.words(address + 16 * n, 4) for n in range(count)]
        return [(self.string(string), bytes(self.ram[start:end])) for start, end, string, _ in entries]

    def regions(self):
        address, end = self.field(48), self.field(48) + self.field(44)
        while address < end:
            size, base, length, kind = struct.unpack_from("<IQQI", self.ram, address)
            yield base, length, kind
            address += size + 4


def complaint(data, memory=16 * MEBIBYTE):
    """The one line about a bad kernel."""
    with pytest.raises(ImageError) as caught:
        boot(recognise(data, "k"), memory)
    assert str(caught.value).startswith("k: ") and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("offset", [0, 4, 4096, 8192 - 12])
def test_the_header_is_found_within_the_first_8192_bytes(offset):
    assert find_header(bytes(offset) + header() + bytes(100)).offset == offset


@pytest.mark.parametrize("data", [bytes(8184) + header(), bytes(2) + header(), header()[:-1], b"\1" + header(),
                                  header()[:8] + b"\0" + header()[9:], bytes(8180 - 20) + by_address()[:28]])
def test_a_header_too_far_in_or_misaligned_or_cut_or_with_a_wrong_checksum_is_none(data):
    assert find_header(data) is None


def test_a_wrong_header_before_the_right_one_is_passed_over():
    assert find_header(header()[:8] + bytes(4) + header()).offset == 12


def test_an_elf_kernel_starts_at_its_physical_entry_with_the_magic_number():
    image = recognise(elf(), "k")
    state = boot(image, 16 * MEBIBYTE)
    assert (image.kind, state.entry, state.registers["eax"]) == ("multiboot", 0x10000C, 0x2BADB002)


@pytest.mark.parametrize(("flags", "text"), [(4, "video mode (flags bit 2)"), (8 | 1 << 15, "flags bits 3, 15")])
def test_a_kernel_that_requires_what_we_do_not_give_is_refused(flags, text):
    assert text in complaint(elf(flags))


def test_optional_bits_that_nobody_knows_are_no_obstacle():
    assert recognise(elf(0xFFFE0003), "k").entry == 0x10000C


def test_a_header_without_addresses_needs_elf():
    assert "the file is no ELF" in complaint(header(3) + CODE)


def test_addresses_say_where_the_file_goes():
    data = by_address(before=bytes(16), load=0x100004, header_at=0x100010, entry=0x100030)
    state = boot(recognise(data, "k"), 16 * MEBIBYTE)
    assert state.entry == 0x100030
    assert state.writes[0] == (0x100004, data[4:])           # the header lies 12 bytes behind load_addr, 16 in the file


def test_addresses_cut_the_file_and_append_zeros():
    data = by_address(end=0x100023, bss=0x100030, after=CODE + b"not loaded")
    assert boot(recognise(data, "k"), 16 * MEBIBYTE).writes[:2] == [(0x100000, data[:35]), (0x100023, bytes(13))]


def test_addresses_go_before_elf_headers():
    addresses = header(1 << 16, 0x300054, 0x300000, 0, 0, 0x300060)
    data = elf()[:84] + addresses + CODE
    assert recognise(data, "k").entry == 0x300060


def test_a_64_bit_kernel_with_addresses_is_loaded_without_symbols():
    data = by_address(before=b"\x7fELF\2\1\1" + bytes(57))
    assert recognise(data, "k").entry == 0x100000 + 64 + 32


BAD_ADDRESSES = {
    "load address above the header's": (by_address(load=0x100004, header_at=0x100000), "load_addr 0x100004"),
    "load address before the file": (by_address(load=0xFFFFC, header_at=0x100000), "load_addr 0xffffc"),
    "end beyond the file": (by_address(end=0x200000), "load_end_addr 0x200000 lies outside the file"),
    "end before the start": (by_address(end=0x100000), "load_end_addr 0x100000 lies outside"),
    "zeros before the end": (by_address(bss=0x100001), "bss_end_addr 0x100001 lies before"),
    "entry outside": (by_address(entry=0x100023), "entry_addr 0x100023 lies outside"),
    "in the hole": (by_address(load=0xC0000), "where no RAM is"),
    "too many zeros": (by_address(bss=0xFFFFFFFF), "where no machine has RAM"),
}


@pytest.mark.parametrize("case", BAD_ADDRESSES)
def test_bad_addresses_are_refused_with_their_own_line(case):
    data, text = BAD_ADDRESSES[case]
    assert text in complaint(data)


def test_the_kernel_is_told_its_memory():
    memory = Memory(recognise(elf(), "k"))
    assert memory.field(0) & 1
    assert (memory.field(4), memory.field(8)) == (639, 15 * 1024)


def test_the_memory_map_has_ram_and_holes():
    memory = Memory(recognise(elf(), "k"))
    assert memory.field(0) & 1 << 6
    assert list(memory.regions()) == [(0, 0x9FC00, AVAILABLE), (0x9FC00, 0x400, RESERVED),
                                      (0xF0000, 0x10000, RESERVED), (0x100000, 15 * MEBIBYTE, AVAILABLE)]


@given(st.integers(1, 1 << 30))
def test_the_memory_map_is_in_order_and_its_ram_is_there(size):
    regions = memory_map(size)
    for (start, length, _), (following, _, _) in itertools.pairwise(regions):
        assert start + length <= following
    assert all(length > 0 and (kind != AVAILABLE or start + length <= size) for start, length, kind in regions)


def test_the_kernel_is_told_its_command_line_and_loader():
    image = recognise(elf(), "k")
    image.command_line = "quiet tick=100"
    memory = Memory(image)
    assert memory.field(0) & (1 << 2 | 1 << 9) == 1 << 2 | 1 << 9
    assert (memory.string(memory.field(16)), memory.string(memory.field(64))) == ("quiet tick=100", "trapline")


def test_modules_lie_on_pages_above_the_kernel_in_order():
    image = recognise(elf(size=0x2001), "k")
    image.modules = [Module("hello a b", b"h" * 5000), Module("empty", b""), Module("last", b"l")]
    memory = Memory(image)
    assert memory.modules() == [("hello a b", b"h" * 5000), ("empty", b""), ("last", b"l")]
    starts = [memory.words(memory.field(24) + 16 * n, 1)[0] for n in range(3)]
    assert starts == [0x103000, 0x105000, 0x105000]


def test_modules_of_a_kernel_in_low_memory_lie_above_1_mib():
    image = recognise(by_address(load=0x8000), "k")
    image.modules = [Module("m", b"m")]
    assert Memory(image).modules() == [("m", b"m")]
    assert (0x100000, b"m") in boot(image, 16 * MEBIBYTE).writes


def test_the_information_lies_in_low_memory():
    assert Memory(recognise(elf(), "k")).information == 0x1000


def test_the_information_makes_way_for_a_kernel_in_low_memory():
    image = recognise(by_address(load=0x1000), "k")
    image.modules = [Module("m", b"m")]
    memory = Memory(image)
    assert memory.information == 0x101000
    assert memory.modules() == [("m", b"m")]


def test_information_too_long_for_low_memory_goes_above_the_modules():
    image = recognise(elf(), "k")
    image.command_line = "x" * 0xA0000
    memory = Memory(image)
    assert memory.information == 0x101000
    assert memory.string(memory.field(16)) == image.command_line


def test_a_module_that_does_not_fit_is_refused_with_the_memory_it_needs():
    image = recognise(elf(), "k")
    image.modules = [Module("big one", bytes(2 * MEBIBYTE))]
    with pytest.raises(ImageError, match=r"^k: module big ends at 0x301000, .* give the machine 4 MiB \(--mem\)$"):
        boot(image, 2 * MEBIBYTE)


def test_modules_are_read_from_paths_and_from_strings_with_arguments(tmp_path):
    (tmp_path / "k").write_bytes(elf())
    (tmp_path / "disk.img").write_bytes(b"disk")
    image = load(tmp_path / "k", command_line="c", modules=[tmp_path / "disk.img", f"{tmp_path / 'disk.img'} ro fast"])
    memory = Memory(image)
    assert memory.modules() == [("disk.img", b"disk"), ("disk.img ro fast", b"disk")]
    assert memory.string(memory.field(16)) == "c"


def test_a_command_line_with_a_zero_byte_is_refused(tmp_path):
    (tmp_path / "k").write_bytes(elf())
    with pytest.raises(ImageError, match="zero byte"):
        load(tmp_path / "k", command_line="a\0b")


def test_a_multiboot_kernel_takes_no_address(tmp_path):
    (tmp_path / "k").write_bytes(elf())
    with pytest.raises(ImageError, match="leave out --address"):
        load(tmp_path / "k", address=0x100000)


def test_command_line_and_modules_count_in_the_digest():
    digests = set()
    for command_line, modules in itertools.product(("", "a"), ([], [Module("m", b"")], [Module("m", b"x")])):
        image = recognise(elf(), "k")
        image.command_line, image.modules = command_line, modules
        digests.add(image.digest)
    assert len(digests) == 6


@settings(max_examples=300, deadline=2000)
@given(st.lists(st.tuples(st.integers(0, 47), st.integers(0, 255)), max_size=8), st.integers(0, 48))
def test_a_kernel_with_random_damage_boots_or_is_refused_in_one_line(damage, end):
    data = bytearray(by_address(before=bytes(4), bss=0x101000, after=CODE + bytes(9)))
    for where, value in damage:
        data[where] = value
    try:
        boot(recognise(bytes(data[:end]), "k"), 4 * MEBIBYTE)
    except ImageError as error:
        assert "\n" not in str(error)


@settings(max_examples=300, deadline=2000)
@given(st.lists(st.tuples(st.sampled_from(["flags", "header", "load", "end", "bss", "entry"]),
                          st.integers(0, (1 << 32) - 1)), max_size=3))
def test_a_kernel_with_any_addresses_boots_inside_ram_or_is_refused(changes):
    fields = {"flags": 1 << 16, "header": 0x100000, "load": 0x100000, "end": 0, "bss": 0, "entry": 0x100020}
    try:
        state = boot(recognise(header(*(fields | dict(changes)).values()) + CODE, "k"), 4 * MEBIBYTE)
    except ImageError as error:
        assert "\n" not in str(error)
    else:
        assert all(address + len(data) <= 4 * MEBIBYTE for address, data in state.writes)


GNU = pytest.mark.skipif(not all(map(shutil.which, ("as", "ld", "readelf"))), reason="no GNU binutils here")
SOURCE = """
.set FLAGS, 3
.align 4
.long 0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS)
.globl _start
_start: mov $stack, %esp
        hlt
.data
number: .long 0x12345678
.bss
        .space 4096
stack:
"""


@pytest.fixture(scope="module")
def gnu_kernel(tmp_path_factory):
    """A kernel by GNU as and ld, with the options that every tutorial gives."""
    folder = tmp_path_factory.mktemp("gnu")
    (folder / "k.s").write_text(SOURCE)
    subprocess.run(["as", "--32", "k.s", "-o", "k.o"], cwd=folder, check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-Ttext", "0x100000", "k.o", "-o", "k.elf"], cwd=folder, check=True)
    return folder / "k.elf"


@GNU
def test_a_kernel_by_gnu_as_and_ld_boots(gnu_kernel):
    image = load(gnu_kernel)
    memory = Memory(image)
    assert (image.kind, memory.state.entry) == ("multiboot", 0x10000C)
    assert memory.words(image.symbols.address("number"), 1) == (0x12345678,)
    assert memory.words(image.symbols.address("stack") - 4, 1) == (0,)
    assert memory.words(0x100000, 1) == (MAGIC,)


@GNU
def test_a_kernel_finds_its_elf_sections_and_symbols_in_memory(gnu_kernel):
    memory = Memory(load(gnu_kernel))
    assert memory.field(0) & 1 << 5
    count, size, table, names = memory.words(memory.information + 28, 4)
    headers = [memory.words(table + size * n, 10) for n in range(count)]
    addresses = {memory.string(headers[names][3] + h[0]): h for h in headers}
    printed = subprocess.run(["readelf", "-SW", gnu_kernel], check=True, capture_output=True, text=True).stdout
    assert all(name in printed for name in addresses) and addresses[".text"][3] == 0x100000
    symbols, strings = addresses[".symtab"], addresses[".strtab"]
    entries = [memory.words(symbols[3] + at, 2) for at in range(0, symbols[5], 16)]
    assert memory.state.entry in [value for name, value in entries if memory.string(strings[3] + name) == "_start"]


@GNU
def test_modules_are_passed_to_a_kernel_by_gnu_ld(gnu_kernel):
    assert Memory(load(gnu_kernel, modules=[Module("m arg", b"data")])).modules() == [("m arg", b"data")]
