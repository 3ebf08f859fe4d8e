"""The debug ports: console, exit, power-on self-test code."""

from __future__ import annotations

import pytest

from emu.bus import Space
from emu.devices.debug import DebugConsole, DebugExit, PostCode


@pytest.fixture
def ports() -> Space:
    return Space("port", 1 << 16)


def test_the_console_passes_on_each_byte_written(ports: Space) -> None:
    printed = bytearray()
    ports.claim(0xE9, 1, DebugConsole(printed.append), "console")
    for character in b"ok\n\xff":
        ports.write(0xE9, character, 1)
    assert printed == b"ok\n\xff"


def test_the_console_reads_e9(ports: Space) -> None:
    ports.claim(0xE9, 1, DebugConsole(print), "console")
    assert ports.read(0xE9, 1) == 0xE9


@pytest.mark.parametrize(("size", "value"), [(1, 0), (1, 0xFF), (2, 0x1234), (4, 0xFFFF_FFFF), (4, 7)])
def test_a_write_of_any_size_ends_with_its_value(ports: Space, size: int, value: int) -> None:
    ended: list[int] = []
    ports.claim(0xF4, 4, DebugExit(ended.append), "exit", width=4)
    ports.write(0xF4, value, size)
    assert ended == [value]


def test_the_exit_port_reads_as_if_nobody_were_there(ports: Space) -> None:
    ports.claim(0xF4, 4, DebugExit(lambda value: None), "exit", width=4)
    assert [ports.read(0xF4, size) for size in (1, 2, 4)] == [0xFF, 0xFFFF, 0xFFFF_FFFF]


def test_the_post_port_reads_back_the_last_code(ports: Space) -> None:
    ports.claim(0x80, 1, PostCode(), "post")
    assert ports.read(0x80, 1) == 0
    ports.write(0x80, 0x12, 1)
    ports.write(0x80, 0x34, 1)
    assert ports.read(0x80, 1) == 0x34


def test_the_post_port_remembers_the_last_codes_and_no_more(ports: Space) -> None:
    post = PostCode()
    ports.claim(0x80, 1, post, "post")
    for n in range(1000):
        ports.write(0x80, n & 0xFF, 1)
    assert post.codes == [n & 0xFF for n in range(1000)][-PostCode.REMEMBERED:]
