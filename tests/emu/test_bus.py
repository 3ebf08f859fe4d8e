"""Wires and device spaces: who hears what, who answers where, and how wide accesses are taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.bus import Bus, Line, Space


class Bytes:
    """A device of plain memory that notes every access: (kind, offset, size)."""

    def __init__(self, length: int) -> None:
        self.memory = bytearray(length)
        self.accesses: list[tuple[str, int, int]] = []

    def read(self, offset: int, size: int) -> int:
        self.accesses.append(("read", offset, size))
        return int.from_bytes(self.memory[offset:offset + size], "little")

    def write(self, offset: int, value: int, size: int) -> None:
        self.accesses.append(("write", offset, size))
        self.memory[offset:offset + size] = value.to_bytes(size, "little")


@pytest.fixture
def space() -> Space:
    return Space("port", 1 << 16)


# Lines

def test_a_line_starts_low() -> None:
    assert Line("wire").level == 0


def test_a_listener_hears_changes_of_level_only() -> None:
    heard: list[int] = []
    line = Line("wire", heard.append)
    for level in (0, 1, 1, 0, 0, 1):
        line.set(level)
    assert heard == [1, 0, 1]


def test_a_level_is_0_or_1_whatever_was_driven() -> None:
    heard: list[int] = []
    line = Line("wire", heard.append)
    line.set(8)
    line.set(True)
    line.set(False)
    assert heard == [1, 0]


def test_every_listener_hears_in_the_order_of_joining() -> None:
    heard: list[str] = []
    line = Line("wire", lambda level: heard.append("first"))
    line.listeners.append(lambda level: heard.append("second"))
    line.set(1)
    assert heard == ["first", "second"]


@pytest.mark.parametrize(("before", "heard"), [(0, [1]), (1, [0, 1])])
def test_a_pulse_is_a_rising_edge_from_either_level(before: int, heard: list[int]) -> None:
    line = Line("wire")
    line.set(before)
    changes: list[int] = []
    line.listeners.append(changes.append)
    line.pulse()
    assert (changes, line.level) == (heard, 1)


# Claims

def test_a_device_sees_offsets_from_its_base(space: Space) -> None:
    device = Bytes(4)
    space.claim(0x40, 4, device, "pit")
    space.write(0x42, 0x5A, 1)
    assert space.read(0x42, 1) == 0x5A
    assert device.accesses == [("write", 2, 1), ("read", 2, 1)]


@pytest.mark.parametrize(("start", "length"), [(0x43, 1), (0x3F, 2), (0x30, 0x100), (0x40, 4)])
def test_what_is_taken_cannot_be_claimed(space: Space, start: int, length: int) -> None:
    space.claim(0x40, 4, Bytes(4), "pit")
    with pytest.raises(ValueError, match=f"^new: port {max(start, 0x40):#x} belongs to pit$"):
        space.claim(start, length, Bytes(length), "new")


@pytest.mark.parametrize(("start", "length"), [(0xFFFF, 2), (-1, 1), (0x1_0000, 1)])
def test_addresses_that_do_not_exist_cannot_be_claimed(space: Space, start: int, length: int) -> None:
    with pytest.raises(ValueError, match=f"^new: ports {start:#x} to {start + length - 1:#x} do not exist$"):
        space.claim(start, length, Bytes(length), "new")


@pytest.mark.parametrize("length", [0, -1])
def test_a_claim_has_at_least_one_address(space: Space, length: int) -> None:
    with pytest.raises(ValueError, match=r"^new: ports"):
        space.claim(0x40, length, Bytes(1), "new")


def test_ranges_may_touch_and_are_kept_in_order(space: Space) -> None:
    for start in (0x44, 0x40, 0x48):
        space.claim(start, 4, Bytes(4), f"at {start:#x}")
    assert [each.start for each in space.ranges] == [0x40, 0x44, 0x48]


def test_the_first_and_last_address_can_be_claimed(space: Space) -> None:
    first, last = Bytes(1), Bytes(1)
    space.claim(0, 1, first, "first")
    space.claim(0xFFFF, 1, last, "last")
    space.write(0, 1, 1)
    space.write(0xFFFF, 2, 1)
    assert (first.memory, last.memory) == (b"\1", b"\2")


def test_find_gives_the_range_of_an_address_and_none_beside_it(space: Space) -> None:
    space.claim(0x40, 4, Bytes(4), "pit")
    found = space.find(0x43)
    assert found is not None and found.name == "pit"
    assert space.find(0x3F) is None and space.find(0x44) is None


def test_a_released_range_is_free_again(space: Space) -> None:
    space.claim(0x40, 4, Bytes(4), "old")
    space.release(0x40)
    assert space.read(0x40, 1) == 0xFF
    space.claim(0x41, 2, Bytes(2), "new")


@pytest.mark.parametrize("start", [0x3F, 0x41, 0x44])
def test_only_the_start_of_a_range_releases_it(space: Space, start: int) -> None:
    space.claim(0x40, 4, Bytes(4), "pit")
    with pytest.raises(KeyError, match=f"no port range begins at {start:#x}"):
        space.release(start)


# Width

def test_an_access_no_wider_than_the_device_stays_whole(space: Space) -> None:
    device = Bytes(8)
    space.claim(0xCF8, 8, device, "pci", width=4)
    space.write(0xCF8, 0x8000_0004, 4)
    assert space.read(0xCF8, 4) == 0x8000_0004
    assert device.accesses == [("write", 0, 4), ("read", 0, 4)]


def test_a_wider_access_is_split_lowest_address_first(space: Space) -> None:
    device = Bytes(4)
    space.claim(0x40, 4, device, "pit")
    space.write(0x40, 0x4433_2211, 4)
    assert device.memory == b"\x11\x22\x33\x44"
    assert device.accesses == [("write", offset, 1) for offset in range(4)]
    assert space.read(0x40, 4) == 0x4433_2211


def test_a_device_of_two_bytes_gets_a_doubleword_in_two_words(space: Space) -> None:
    device = Bytes(4)
    space.claim(0x1F0, 4, device, "disk", width=2)
    space.write(0x1F0, 0x4433_2211, 4)
    assert device.accesses == [("write", 0, 2), ("write", 2, 2)]


def test_an_access_across_two_devices_reaches_both(space: Space) -> None:
    low, high = Bytes(2), Bytes(2)
    space.claim(0x40, 2, low, "low", width=2)
    space.claim(0x42, 2, high, "high", width=2)
    space.write(0x40, 0x4433_2211, 4)
    assert (low.memory, high.memory) == (b"\x11\x22", b"\x33\x44")
    assert space.read(0x40, 4) == 0x4433_2211


def test_a_device_never_gets_more_bits_than_the_access_has(space: Space) -> None:
    device = Bytes(1)
    space.claim(0x40, 1, device, "pit")
    space.write(0x40, 0x1234, 1)                             # Bytes would raise OverflowError
    assert device.memory == b"\x34"


def test_what_a_device_answers_beyond_the_access_is_cut_off(space: Space) -> None:
    class Loud:
        def read(self, offset: int, size: int) -> int:
            return 0x1FF

        def write(self, offset: int, value: int, size: int) -> None:
            raise AssertionError

    space.claim(0x40, 1, Loud(), "loud")
    assert space.read(0x40, 2) == 0xFFFF


# Nobody there

@pytest.mark.parametrize("size", [1, 2, 4])
def test_nobody_reads_as_all_ones(space: Space, size: int) -> None:
    assert space.read(0x300, size) == (1 << 8 * size) - 1


def test_the_bytes_of_an_access_that_nobody_has_read_as_ones(space: Space) -> None:
    space.claim(0x41, 1, Bytes(1), "middle")
    assert space.read(0x40, 4) == 0xFFFF_00FF


@pytest.mark.parametrize("size", [1, 2, 4])
def test_an_access_to_nobody_is_reported_once_and_whole(space: Space, size: int) -> None:
    seen: list[tuple[str, int, int]] = []
    space.unclaimed = lambda *access: seen.append(access)
    space.read(0x300, size)
    space.write(0x300, 0, size)
    assert seen == [("read", 0x300, size), ("write", 0x300, size)]


def test_only_the_missing_part_of_an_access_is_reported(space: Space) -> None:
    seen: list[tuple[str, int, int]] = []
    space.unclaimed = lambda *access: seen.append(access)
    space.claim(0x40, 2, Bytes(2), "low")
    space.read(0x40, 4)
    assert seen == [("read", 0x42, 2)]


def test_an_access_at_the_end_wraps_to_the_start() -> None:
    space, device = Space("address", 1 << 32), Bytes(4)
    space.claim(0, 4, device, "start")
    device.memory[:] = b"\x11\x22\x33\x44"
    assert space.read(0xFFFF_FFFE, 4) == 0x2211_FFFF


def test_the_bus_has_65536_ports_and_4_gib_of_addresses() -> None:
    bus = Bus()
    assert (bus.ports.size, bus.memory.size) == (1 << 16, 1 << 32)


# Any board, any access: each byte is where it belongs

BOARDS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 6), st.sampled_from([1, 2, 4])), max_size=5)
ACCESSES = st.lists(st.tuples(st.integers(0, 31), st.sampled_from([1, 2, 4]), st.none() | st.integers(0, 0xFFFF_FFFF)),
                    max_size=20)


@given(BOARDS, ACCESSES)
def test_any_access_reads_and_writes_byte_by_byte(
        board: list[tuple[int, int, int]], accesses: list[tuple[int, int, int | None]]) -> None:
    space = Space("port", 32)
    memory: dict[int, int] = {}                              # address -> byte, of those that somebody has: the model
    for start, length, width in board:
        wanted = range(start, start + length)
        if wanted.stop <= 32 and not any(address in memory for address in wanted):
            space.claim(start, length, Bytes(length), f"at {start}", width)
            memory.update(dict.fromkeys(wanted, 0))
    for address, size, value in accesses:
        places = [(address + i) % 32 for i in range(size)]
        if value is None:
            assert space.read(address, size) == sum(memory.get(at, 0xFF) << 8 * i for i, at in enumerate(places))
        else:
            space.write(address, value, size)
            memory.update({at: value >> 8 * i & 0xFF for i, at in enumerate(places) if at in memory})
