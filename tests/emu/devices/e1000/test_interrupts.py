"""Causes, mask, throttling to the cycle, delays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.devices.e1000.registers import FPD, Cause, Register
from tests.emu.devices.e1000.card import EOP, IDE, IFCS, RS, Card, frame, gaps

ITR_CYCLES = 128                # 256 ns at 500 MHz
DELAY_CYCLES = 512              # 1.024 us


@pytest.fixture
def card() -> Card:
    card = Card()
    card.start()
    return card


def run_until(card: Card, level: int) -> int:
    """Let events happen until the line has the level; the cycle."""
    while card.irq.level != level:
        card.clock.advance(card.clock.deadline - card.clock.now)
    return card.clock.now


def test_causes_and_mask(card: Card) -> None:
    card.put(Register.IMC, 0xFFFF_FFFF)
    card.put(Register.ICS, Cause.RXT0 | Cause.LSC)
    assert card.irq.level == 0
    card.put(Register.IMS, Cause.RXT0)
    assert card.irq.level == 1 and card.get(Register.IMS) == Cause.RXT0
    card.put(Register.IMC, Cause.RXT0)
    assert card.irq.level == 0
    card.put(Register.IMS, Cause.LSC | Cause.RXT0)
    card.put(Register.ICR, Cause.LSC)                           # writing clears, too
    assert card.irq.level == 1
    assert card.get(Register.ICR) == Cause.RXT0
    assert card.irq.level == 0 and card.get(Register.ICR) == 0
    card.put(Register.ICS, 0xFFFF_FFFF)
    assert card.get(Register.ICR) == 0x1F6DF
    assert card.get(Register.ICS) == card.get(Register.IMC) == 0


@pytest.mark.parametrize("frequency", [500_000_000, 133_333_333, 1_000_000])
@pytest.mark.parametrize("interval", [1, 651, 5580, 0xFFFF])
def test_the_line_is_throttled_to_the_cycle(frequency: int, interval: int) -> None:
    card = Card(frequency=frequency)
    card.start()
    card.put(Register.ITR, interval)
    times = []
    for _ in range(4):
        card.put(Register.ICS, Cause.RXT0)
        times.append(run_until(card, 1))
        card.get(Register.ICR)
    assert set(gaps(times)) == {-(-interval * 256 * frequency // 1_000_000_000)}


def test_a_cause_that_is_gone_interrupts_no_more(card: Card) -> None:
    card.put(Register.ITR, 1000)
    card.put(Register.ICS, Cause.RXT0)
    card.get(Register.ICR)
    card.put(Register.ICS, Cause.RXT0)
    card.get(Register.ICR)
    card.clock.advance(1000 * ITR_CYCLES)
    assert card.irq.level == 0
    card.put(Register.ICS, Cause.RXT0)                          # after a long time: at once
    assert card.irq.level == 1


def test_a_shorter_interval_counts_at_once(card: Card) -> None:
    card.put(Register.ITR, 1000)
    card.put(Register.ICS, Cause.RXT0)
    start = card.clock.now
    card.get(Register.ICR)
    card.put(Register.ICS, Cause.RXT0)
    card.put(Register.ITR, 10)
    assert run_until(card, 1) == start + 10 * ITR_CYCLES
    card.get(Register.ICR)
    card.put(Register.ICS, Cause.RXT0)
    card.put(Register.ITR, 0)
    assert card.irq.level == 1


def test_throttling_gathers_a_burst(card: Card) -> None:
    card.start(rx=64)
    card.put(Register.ITR, 1000)
    interrupts = packets = 0
    for i in range(100):
        card.nic.receive(frame(seed=i))
        card.clock.advance(card.microseconds(10))
        if card.irq.level:
            interrupts += 1
            card.get(Register.ICR)
            packets += len(card.received())
    assert interrupts == 4 and packets >= 75                    # a millisecond, an interrupt in 256 us


def stored(card: Card, seed: int = 0) -> int:
    """A frame comes in; the cycle at which it is in memory."""
    head = card.get(Register.RDH)
    card.nic.receive(frame(seed=seed))
    while card.get(Register.RDH) == head:
        card.clock.advance(card.clock.deadline - card.clock.now)
    return card.clock.now


def test_the_receive_delay_starts_anew_with_each_packet(card: Card) -> None:
    card.put(Register.RDTR, 20)
    for i in range(5):
        last = stored(card, i)
        card.clock.advance(10 * DELAY_CYCLES)
        assert not card.irq.level
    assert run_until(card, 1) == last + 20 * DELAY_CYCLES
    assert card.get(Register.ICR) == Cause.RXT0 and len(card.received()) == 5


def test_the_absolute_delay_ends_it(card: Card) -> None:
    card.put(Register.RDTR, 20)
    card.put(Register.RADV, 35)
    first = stored(card)
    for i in range(3):
        card.clock.advance(10 * DELAY_CYCLES)
        stored(card, i)
    assert run_until(card, 1) == first + 35 * DELAY_CYCLES
    card.get(Register.ICR)
    card.settle()
    assert not card.irq.level                                   # the packet timer has ended with it
    assert stored(card) + 20 * DELAY_CYCLES == run_until(card, 1)


def test_a_small_packet_interrupts_at_once(card: Card) -> None:
    card.put(Register.RDTR, 100)
    card.put(Register.RSRPD, 60)
    card.put(Register.IMS, Cause.SRPD)
    card.nic.receive(frame(61))
    card.clock.advance(50 * DELAY_CYCLES)
    assert not card.irq.level
    stored(card)
    assert card.irq.level and card.get(Register.ICR) == Cause.SRPD
    card.settle()
    assert not card.irq.level                                   # the small one speaks for both


def test_software_ends_the_receive_delay(card: Card) -> None:
    card.put(Register.RDTR, 1000)
    stored(card)
    card.put(Register.RDTR, 1000 | FPD)
    assert card.irq.level and card.get(Register.RDTR) == 1000


def test_the_transmit_delay_counts_for_descriptors_that_ask(card: Card) -> None:
    card.put(Register.TIDV, 20)
    card.put(Register.TADV, 30)
    done: list[int] = []
    rises: list[int] = []
    card.irq.listeners.append(lambda level: rises.append(card.clock.now) if level else None)
    for i in range(3):
        card.legacy(frame(), EOP | IFCS | RS | IDE)
        card.go()
        while card.get(Register.TDH) != i + 1:
            card.clock.advance(card.clock.deadline - card.clock.now)
        done.append(card.clock.now)
        card.clock.advance(10 * DELAY_CYCLES)
    assert rises == [done[0] + 30 * DELAY_CYCLES]
    card.get(Register.ICR)
    card.legacy(frame(), EOP | IFCS | RS | IDE)
    card.legacy(frame(), EOP | IFCS | RS)                       # does not wait, nor lets the other
    card.go()
    while card.get(Register.TDH) != 5:
        assert not card.irq.level
        card.clock.advance(card.clock.deadline - card.clock.now)
    assert card.irq.level and card.get(Register.ICR) & Cause.TXDW
    card.settle()
    assert not card.irq.level


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 2000), st.lists(st.tuples(st.integers(0, 100_000), st.booleans()), max_size=40))
def test_assertions_are_never_closer_than_the_interval(interval: int, steps: list[tuple[int, bool]]) -> None:
    card = Card()
    card.start()
    card.put(Register.ITR, interval)
    rises: list[int] = []
    card.irq.listeners.append(lambda level: rises.append(card.clock.now) if level else None)
    for wait, read in steps:
        card.put(Register.ICS, Cause.RXT0)
        card.clock.advance(wait)
        if read:
            card.get(Register.ICR)
    assert all(gap >= interval * ITR_CYCLES for gap in gaps(rises))
