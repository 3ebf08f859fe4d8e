"""The loop: what comes goes back."""

from __future__ import annotations

from emu.clock import Clock
from emu.net.loop import Loop
from emu.net.wire import Wire

FRAME = b"dstdstsrcsrc\x88\xB5payload".ljust(60)


def looped(swap: bool) -> list[tuple[int, bytes]]:
    clock = Clock(100_000_000)
    wire = Wire(clock, delay=0)
    arrived: list[tuple[int, bytes]] = []
    wire.ends[0].receive = lambda frame: arrived.append((clock.now, frame))
    Loop(wire.ends[1], swap)
    wire.ends[0].send(FRAME)
    clock.advance(10_000)
    return arrived


def test_a_frame_comes_back_as_it_was() -> None:
    assert looped(swap=False) == [(2 * 72 * 8, FRAME)]


def test_a_frame_comes_back_to_its_sender() -> None:
    assert looped(swap=True) == [(2 * 72 * 8, b"srcsrcdstdst" + FRAME[12:])]
