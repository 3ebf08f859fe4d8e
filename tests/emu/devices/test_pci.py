"""PCI configuration mechanism 1 and the type 0 header, through the ports CF8h-CFFh."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.bus import Space
from emu.devices.pci import Bar, PciBus, PciFunction

ADDRESS, DATA = 0xCF8, 0xCFC
ONES = 0xFFFF_FFFF
COMMAND, STATUS, BAR0, BAR1, LINE = 0x04, 0x06, 0x10, 0x14, 0x3C


class Guest:
    """Software that reads and writes configuration space through the ports."""

    def __init__(self) -> None:
        self.ports = Space("port", 1 << 16)
        self.bus = PciBus()
        self.ports.claim(ADDRESS, 8, self.bus, "pci", width=4)

    def select(self, device: int, register: int, function: int = 0, bus: int = 0) -> int:
        self.ports.write(ADDRESS, 1 << 31 | bus << 16 | device << 11 | function << 8 | register & 0xFC, 4)
        return DATA + (register & 3)

    def read(self, device: int, register: int, size: int = 4, function: int = 0, bus: int = 0) -> int:
        return self.ports.read(self.select(device, register, function, bus), size)

    def write(self, device: int, register: int, value: int, size: int = 4, function: int = 0) -> None:
        self.ports.write(self.select(device, register, function), value, size)


@pytest.fixture
def guest() -> Guest:
    return Guest()


@pytest.fixture
def nic() -> PciFunction:
    return PciFunction(0x8086, 0x100E, 0x02_00_00, [Bar(0x20000), Bar(64, io=True)], revision=3,
                       subsystem=(0x1AF4, 0x1100), interrupt_pin=1)


def test_an_empty_bus_reads_all_ones_everywhere(guest: Guest) -> None:
    assert {guest.read(device, register, 4, function) for device in range(32) for function in range(8)
            for register in (0, 0x3C)} == {ONES}
    assert guest.read(0, 0, 2) == 0xFFFF
    guest.write(0, 4, 7)                                     # vanishes


def test_the_address_register_keeps_all_but_its_reserved_bits(guest: Guest) -> None:
    guest.ports.write(ADDRESS, ONES, 4)
    assert guest.ports.read(ADDRESS, 4) == 0x80FF_FFFC


@pytest.mark.parametrize("size", [1, 2])
def test_only_a_doubleword_access_touches_the_address_register(guest: Guest, size: int) -> None:
    guest.ports.write(ADDRESS, 0x8000_1234, 4)
    for port in range(ADDRESS, ADDRESS + 4, size):
        guest.ports.write(port, 0, size)
        assert guest.ports.read(port, size) == (1 << 8 * size) - 1
    assert guest.ports.read(ADDRESS, 4) == 0x8000_1234


def test_the_data_window_is_closed_without_the_enable_bit(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(3, 0, nic)
    guest.ports.write(ADDRESS, 3 << 11, 4)
    assert guest.ports.read(DATA, 4) == ONES
    guest.ports.write(ADDRESS, 3 << 11 | LINE, 4)
    guest.ports.write(DATA, 0x0B, 1)
    assert guest.read(3, LINE, 1) == 0


def test_identification_reads_by_byte_word_and_doubleword(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(3, 0, nic)
    assert guest.read(3, 0x00) == 0x100E_8086
    assert guest.read(3, 0x02, 2) == 0x100E
    assert guest.read(3, 0x01, 2) == 0x0E80
    assert [guest.read(3, offset, 1) for offset in range(4)] == [0x86, 0x80, 0x0E, 0x10]
    assert guest.read(3, 0x08) == 0x0200_0003
    assert guest.read(3, 0x2C) == 0x1100_1AF4
    assert guest.read(3, 0x3D, 1) == 1
    assert guest.read(3, 0x0E, 1) == 0


def test_an_access_across_the_end_of_the_window_reads_what_is_there_and_ones(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(0, 0, nic)
    assert guest.ports.read(guest.select(0, 2), 4) == 0xFFFF_100E
    assert guest.ports.read(ADDRESS + 3, 2) == 0x86FF        # the address register's last byte, the window's first


def test_a_write_across_the_end_of_the_window_reaches_what_is_there(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(0, 0, nic)
    guest.select(0, LINE)
    guest.ports.write(ADDRESS + 3, 0x0B99, 2)
    assert guest.ports.read(DATA, 1) == 0x0B
    guest.ports.write(ADDRESS + 2, 0x0C05_9999, 4)
    assert guest.ports.read(DATA, 2) == 0x0105               # the interrupt pin cannot be written
    guest.select(0, BAR0)
    guest.ports.write(DATA + 2, 0x1234_5678, 4)
    assert guest.ports.read(DATA, 4) == 0x5678_0000


def test_other_functions_devices_and_buses_are_empty(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(3, 0, nic)
    assert guest.read(3, 0, function=1) == ONES
    assert guest.read(4, 0) == ONES
    assert guest.read(3, 0, bus=1) == ONES


def test_functions_of_one_device_are_told_apart(guest: Guest) -> None:
    for function in range(8):
        guest.bus.attach(31, function, PciFunction(0x1234, function, 0xFF_00_00, multifunction=True))
    assert [guest.read(31, 2, 2, function) for function in range(8)] == list(range(8))
    assert guest.read(31, 0x0E, 1) == 0x80


@pytest.mark.parametrize(("device", "function"), [(32, 0), (0, 8), (-1, 0), (0, -1)])
def test_a_place_that_does_not_exist_is_refused(guest: Guest, nic: PciFunction, device: int, function: int) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        guest.bus.attach(device, function, nic)


def test_a_place_that_is_taken_is_refused(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(3, 0, nic)
    with pytest.raises(ValueError, match="device 3 function 0 is taken"):
        guest.bus.attach(3, 0, nic)


def test_writing_all_ones_to_a_base_address_register_reads_back_its_size(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(3, 0, nic)
    for offset, ones in ((BAR0, 0xFFFE_0000), (BAR1, 0xFFFF_FFC1), (0x18, 0)):
        guest.write(3, offset, ONES)
        assert guest.read(3, offset) == ones


def test_a_base_address_counts_once_the_command_register_lets_it(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(3, 0, nic)
    guest.write(3, BAR0, 0xFEBC_0000)
    guest.write(3, BAR1, 0xC000)
    assert (nic.base(0), nic.base(1)) == (None, None)
    guest.write(3, COMMAND, 2, 2)
    assert (nic.base(0), nic.base(1)) == (0xFEBC_0000, None)
    guest.write(3, COMMAND, 5, 2)
    assert (nic.base(0), nic.base(1), nic.may_master) == (None, 0xC000, True)


def test_the_command_register_has_no_bit_for_a_space_that_is_not_used(guest: Guest) -> None:
    guest.bus.attach(0, 0, PciFunction(0x8086, 0x1237, 0x06_00_00))
    guest.write(0, COMMAND, ONES)
    assert guest.read(0, COMMAND) == 0x0144


def test_error_bits_of_the_status_register_are_cleared_by_writing_ones(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(3, 0, nic)
    nic.config[STATUS + 1] = 0xF9
    guest.write(3, STATUS, 0x2000, 2)
    assert guest.read(3, STATUS, 2) == 0xD900
    guest.write(3, STATUS, 0xFFFF, 2)
    assert guest.read(3, STATUS, 2) == 0


def test_identification_cannot_be_written_and_the_interrupt_line_can(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(3, 0, nic)
    guest.write(3, 0, 0)
    guest.write(3, LINE, 0xFF0B, 2)
    assert guest.read(3, 0) == 0x100E_8086
    assert guest.read(3, LINE, 2) == 0x010B


def test_the_owner_hears_of_changes_of_command_and_base_addresses_only(guest: Guest, nic: PciFunction) -> None:
    heard: list[tuple[int | None, int | None]] = []
    nic.changed = lambda: heard.append((nic.base(0), nic.base(1)))
    guest.bus.attach(3, 0, nic)
    guest.write(3, LINE, 11, 1)
    assert heard == []
    guest.write(3, BAR0, 0xE000_0000)
    guest.write(3, BAR0, 0xE000_0001)                        # the same: bit 0 is not writable
    guest.write(3, COMMAND, 2, 1)
    assert heard == [(None, None), (0xE000_0000, None)]


def test_reset_unmaps_the_function_and_keeps_its_identity(guest: Guest, nic: PciFunction) -> None:
    guest.bus.attach(3, 0, nic)
    before = bytes(nic.config)
    guest.write(3, BAR0, 0xE000_0000)
    guest.write(3, COMMAND, 7, 2)
    guest.write(3, LINE, 11, 1)
    heard: list[int | None] = []
    nic.changed = lambda: heard.append(nic.base(0))
    nic.reset()
    assert heard == [None]
    assert bytes(nic.config) == before


@pytest.mark.parametrize(("size", "io"),
                         [(0, False), (8, False), (48, False), (1 << 32, False), (2, True), (512, True)])
def test_a_size_that_no_base_address_register_can_have_is_refused(size: int, io: bool) -> None:
    with pytest.raises(ValueError, match="power of two"):
        Bar(size, io)


def test_the_smallest_and_the_largest_ranges_are_found_by_probing(guest: Guest) -> None:
    bars = [Bar(16), Bar(1 << 31), Bar(4, io=True), Bar(256, io=True), Bar(4096), Bar(32, io=True)]
    guest.bus.attach(0, 0, PciFunction(0x8086, 0x1237, 0x06_00_00, bars))
    assert guest.read(0, 0x2C) == guest.read(0, LINE) == 0   # what was not given
    sizes = []
    for offset in range(BAR0, BAR0 + 24, 4):
        guest.write(0, offset, ONES)
        sizes.append(-(guest.read(0, offset) & ~3) & ONES)
    assert sizes == [bar.size for bar in bars]


def test_a_header_of_numbers_that_do_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="0x18086 does not fit in the 2 bytes"):
        PciFunction(0x1_8086, 0, 0)
    with pytest.raises(ValueError, match="at most 6"):
        PciFunction(0x8086, 0, 0, [Bar(16)] * 7)


def header_oracle(old: int, offset: int, byte: int) -> int:
    """What one byte of the NIC's header becomes when `byte` is written, from the tables of section 6."""
    masks = {4: 0x47, 5: 0x01, 0x0C: 0xFF, 0x0D: 0xFF, 0x12: 0xFE, 0x13: 0xFF, 0x14: 0xC0, 0x15: 0xFF, 0x16: 0xFF,
             0x17: 0xFF, 0x3C: 0xFF}
    if offset == 7:
        return old & ~(byte & 0xF9)
    mask = masks.get(offset, 0)
    return old & ~mask | byte & mask


accesses = st.tuples(st.integers(0, 7), st.sampled_from([1, 2, 4]), st.integers(0, ONES), st.booleans())
selections = st.integers(0, 0x3F).map(lambda register: (0, 4, 1 << 31 | register, True))


@given(st.lists(accesses | selections, max_size=40))
def test_any_accesses_agree_with_a_table_of_writable_bits(history: list[tuple[int, int, int, bool]]) -> None:
    guest = Guest()
    nic = PciFunction(0x8086, 0x100E, 0x02_00_00, [Bar(0x20000), Bar(64, io=True)])
    nic.config[7] = 0xF9
    guest.bus.attach(0, 0, nic)
    model, address = bytearray(nic.config), 0
    for offset, size, value, is_write in history:
        if not is_write:
            assert 0 <= guest.ports.read(ADDRESS + offset, size) < 1 << 8 * size
            continue
        guest.ports.write(ADDRESS + offset, value, size)
        if (offset, size) == (0, 4):
            address = value & 0x80FF_FFFC
        elif address & 1 << 31 and not address & 0x7FFF_FF00:
            for i in range(size):
                if 4 <= offset + i < 8:
                    register = (address & 0xFC) + offset + i - 4
                    model[register] = header_oracle(model[register], register, value >> 8 * i & 0xFF)
    assert guest.ports.read(ADDRESS, 4) == address
    assert nic.config == model
