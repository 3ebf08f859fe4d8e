"""RAM: one memory behind every alias, writes that the processor hears of, limits that are kept."""

from __future__ import annotations

import gc
import os
import weakref

import numpy as np
import pytest

from emu.machine import Machine
from emu.memory import LARGEST, PAGE, Ram

SMALL = 1 << 16


@pytest.fixture
def ram() -> Ram:
    return Ram(SMALL)


@pytest.mark.parametrize("size", [0, -PAGE, SMALL - PAGE, SMALL + 1, LARGEST + PAGE])
def test_a_size_that_is_not_allowed_is_refused(size: int) -> None:
    message = f"memory of {size} bytes: must be a multiple of 4 KiB, from 64 KiB to 1 GiB"
    with pytest.raises(ValueError, match=message):
        Ram(size)


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_refused_memory_leaves_nothing_to_clean_up() -> None:
    with pytest.raises(ValueError, match="must be a multiple"):
        Ram(5)
    gc.collect()


@pytest.mark.parametrize("size", [SMALL, LARGEST])
def test_the_smallest_and_the_largest_memory_can_be_had(size: int) -> None:
    ram = Ram(size)
    ram.write(size - 1, b"\x5A")
    assert ram.bytes[-1] == 0x5A


def test_memory_starts_as_zeros(ram: Ram) -> None:
    assert not ram.bytes.any()


def test_what_was_written_is_read_back(ram: Ram) -> None:
    ram.write(0x1234, b"hello")
    assert ram.read(0x1233, 7) == b"\0hello\0"


def test_every_alias_is_the_same_memory_elsewhere(ram: Ram) -> None:
    alias = ram.alias()
    assert alias.ctypes.data != ram.bytes.ctypes.data
    ram.write(0x100, b"abc")
    assert alias[0x100:0x103].tobytes() == b"abc"
    alias[0x200:0x203] = np.frombuffer(b"xyz", np.uint8)
    assert ram.read(0x200, 3) == b"xyz"


def test_two_memories_share_nothing() -> None:
    first, second = Ram(SMALL), Ram(SMALL)
    first.write(0, b"\1")
    assert second.read(0, 1) == b"\0"


@pytest.mark.parametrize(("address", "size"), [(-1, 1), (SMALL, 1), (SMALL - 1, 2), (0, SMALL + 1), (1 << 40, 4)])
def test_an_access_outside_says_where_ram_ends(ram: Ram, address: int, size: int) -> None:
    for access in (lambda: ram.read(address, size), lambda: ram.write(address, bytes(size))):
        with pytest.raises(ValueError, match=f"{address:#x} to .*: RAM ends at 0x10000"):
            access()


def test_a_negative_size_is_refused(ram: Ram) -> None:
    with pytest.raises(ValueError, match="physical memory"):
        ram.read(4, -1)


def test_a_refused_write_changes_nothing(ram: Ram) -> None:
    with pytest.raises(ValueError, match="RAM ends"):
        ram.write(SMALL - 2, b"abc")
    assert not ram.bytes.any()


def test_the_whole_memory_can_be_read_and_written_at_once(ram: Ram) -> None:
    data = bytes(range(256)) * (SMALL // 256)
    ram.write(0, data)
    assert ram.read(0, SMALL) == data


def test_no_bytes_at_the_end_of_memory_are_allowed(ram: Ram) -> None:
    ram.write(SMALL, b"")
    assert ram.read(SMALL, 0) == b""


def test_a_write_tells_the_processor_afterwards(ram: Ram) -> None:
    heard: list[tuple[int, int, bytes]] = []
    ram.on_write = lambda address, size: heard.append((address, size, ram.read(address, size)))
    ram.write(0x300, b"code")
    assert heard == [(0x300, 4, b"code")]


def test_writing_nothing_tells_nobody(ram: Ram) -> None:
    heard: list[int] = []
    ram.on_write = lambda address, size: heard.append(address)
    ram.write(0x300, b"")
    assert heard == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc to count open files")
def test_closing_gives_the_file_back_and_keeps_the_bytes() -> None:
    before = len(os.listdir("/proc/self/fd"))
    ram = Ram(SMALL)
    ram.write(0, b"\1")
    ram.close()
    ram.close()
    assert len(os.listdir("/proc/self/fd")) <= before + 1   # mmap keeps a descriptor of its own
    assert ram.read(0, 1) == b"\1"


def test_machines_that_nobody_has_are_freed_before_they_fill_the_hosts_memory() -> None:
    made = []
    gc.disable()                        # what the collector does by itself is not what is tried here
    try:
        for _ in range(80):
            made.append(weakref.ref(Machine(memory=1 << 20)))
            assert sum(each() is not None for each in made) < 40
    finally:
        gc.enable()
