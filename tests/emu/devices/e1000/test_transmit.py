"""The way out: descriptors, FIFO, wire, loopback, what goes wrong."""

from __future__ import annotations

import struct
import zlib

import pytest

from emu.devices.e1000.registers import Cause, Ctrl, Rctl, Register, Tctl
from emu.devices.e1000.statistics import Statistic
from tests.emu.devices.e1000.card import (
    DEXT,
    EOP,
    IDE,
    IFCS,
    MAC,
    MEMORY,
    PEER,
    RS,
    TX_RING,
    VLE,
    Card,
    frame,
    gaps,
)

MASTER_ABORT = 0x2000


@pytest.fixture
def card() -> Card:
    card = Card()
    card.start()
    return card


def status(card: Card, index: int) -> int:
    return card.memory.read(TX_RING + 16 * index + 12, 1)[0]


def test_a_frame_leaves_and_interrupts(card: Card) -> None:
    card.legacy(frame(100, PEER))
    card.go()
    assert not card.wire.sent and not card.irq.level
    card.settle()
    assert card.wire.sent == [frame(100, PEER)]
    assert card.irq.level and card.get(Register.ICR) == Cause.TXDW | Cause.TXQE
    assert card.get(Register.TDH) == 1 and status(card, 0) == 1


def test_the_bus_takes_its_time(card: Card) -> None:
    """Descriptor 17 + 4 clocks, 100 bytes 17 + 25, descriptor back 6 + 4: 73 clocks of 15 cycles (30 ns)."""
    card.clock.advance(15 - card.clock.now % 15)
    card.legacy(frame(100))
    card.go()
    card.clock.advance(73 * 15 - 1)
    assert not card.wire.sent
    card.clock.advance(1)
    assert card.wire.sent


def test_frames_follow_each_other_at_the_rate_of_the_wire() -> None:
    card = Card(100_000_000)
    card.start()
    card.transmit(*(frame(1514, PEER, i) for i in range(12)))
    assert card.wire.sent == [frame(1514, PEER, i) for i in range(12)]
    assert set(gaps(card.wire.times)) == {(1514 + 24) * 8 * 5}             # 10 ns a bit, 2 ns a cycle


def test_the_bus_is_too_slow_for_a_gigabit() -> None:
    """1514 bytes take 17 + 4 + 17 + 379 + 6 + 4 clocks: 12.81 us, where the wire takes 12.3."""
    card = Card(1_000_000_000)
    card.start()
    card.transmit(*(frame(1514, PEER, i) for i in range(12)))
    assert set(gaps(card.wire.times)) == {427 * 15}


def test_a_packet_of_several_descriptors(card: Card) -> None:
    whole = frame(1000, PEER)
    card.legacy(whole[:14], IFCS)
    card.legacy(b"", IFCS)
    card.legacy(whole[14:700], IFCS | RS)
    card.go()
    card.settle()
    assert not card.wire.sent and card.get(Register.TDH) == 3 and status(card, 2) == 1
    card.legacy(whole[700:])
    card.go()
    card.settle()
    assert card.wire.sent == [whole] and status(card, 0) == 0               # no report was asked for


def test_short_packets_are_padded_if_asked() -> None:
    card = Card()
    card.start()
    card.transmit(frame(20))
    card.put(Register.TCTL, Tctl.EN)
    card.transmit(frame(20))
    assert card.wire.sent == [frame(20).ljust(60, b"\0"), frame(20)]
    assert card.get(Statistic.TPT) == 2 and card.get(Statistic.GPTC) == 1


def test_software_may_bring_the_crc(card: Card) -> None:
    good = frame(80, PEER)
    card.legacy(good + zlib.crc32(good).to_bytes(4, "little"), EOP | RS)
    card.legacy(good + b"\0\0\0\0", EOP | RS)                               # nobody would take it
    card.go()
    card.settle()
    assert card.wire.sent == [good]


def test_vlan_tags_are_put_on(card: Card) -> None:
    card.put(Register.CTRL, card.get(Register.CTRL) | Ctrl.VME)
    card.legacy(frame(100, PEER), EOP | IFCS | RS | VLE, tag=0x2ABC)
    card.go()
    card.settle()
    assert card.wire.sent == [PEER + frame(100, PEER)[6:12] + b"\x81\x00\x2A\xBC" + frame(100, PEER)[12:]]


def test_nothing_leaves_without_link_and_all_when_it_returns(card: Card) -> None:
    card.nic.link_changed(False)
    card.transmit(*(frame(1514, seed=i) for i in range(12)))
    assert not card.wire.sent and card.get(Register.TDH) == 10              # 16 KiB of FIFO
    card.nic.link_changed(True)
    card.settle()
    assert card.wire.sent == [frame(1514, seed=i) for i in range(12)]


def test_a_disabled_transmitter_keeps_its_fifo(card: Card) -> None:
    card.nic.link_changed(False)
    card.transmit(frame(), frame(seed=1))
    card.put(Register.TCTL, 0)
    card.nic.link_changed(True)
    card.legacy(frame(seed=2))
    card.go()
    card.settle()
    assert not card.wire.sent
    card.put(Register.TCTL, Tctl.EN)
    card.settle()
    assert card.wire.sent == [frame(), frame(seed=1), frame(seed=2)]


def test_reset_empties_the_fifo(card: Card) -> None:
    card.nic.link_changed(False)
    card.transmit(frame())
    card.nic.link_changed(True)
    card.wire.sent.clear()
    card.nic.link_changed(False)
    card.transmit(frame(), frame())
    card.start()
    card.nic.link_changed(True)
    card.settle()
    assert not card.wire.sent


@pytest.mark.parametrize("size", [16289, 65535])
def test_a_packet_that_is_too_long_is_lost_and_no_more(card: Card, size: int) -> None:
    card.describe(0x10000, size | (EOP | IFCS | RS) << 24)
    card.legacy(frame(60, PEER))
    card.go()
    card.settle()
    assert card.wire.sent == [frame(60, PEER)] and status(card, 0) == 1


def test_the_fifo_limits_a_packet(card: Card) -> None:
    card.put(Register.PBA, 56)                                              # 8 KiB
    card.transmit(frame(8176), frame(8177), frame(61))
    assert [len(each) for each in card.wire.sent] == [8176, 61]


def test_statistics(card: Card) -> None:
    for size in (60, 61, 124, 252, 508, 1020):
        card.transmit(frame(size))
    card.transmit(b"\xFF" * 6 + frame()[6:], b"\1" + frame()[1:])
    assert [card.get(Statistic.PTC64 + 4 * i) for i in range(6)] == [3, 1, 1, 1, 1, 1]
    assert card.get(Statistic.BPTC) == card.get(Statistic.MPTC) == 1
    assert card.get(Statistic.GPTC) == 8
    octets = sum((60, 61, 124, 252, 508, 1020, 60, 60)) + 8 * 4
    assert card.get(Statistic.GOTCL) == card.get(Statistic.TOTL) == octets


def test_few_descriptors_interrupt(card: Card) -> None:
    card.put(Register.TXDCTL, 1 << 25)                                      # 8 descriptors
    card.put(Register.IMS, Cause.TXD_LOW)
    card.put(Register.IMC, Cause.TXDW)
    for i in range(12):
        card.legacy(frame(seed=i))
    card.go()
    while not card.irq.level:
        card.clock.advance(card.clock.deadline - card.clock.now)
    assert card.get(Register.TDH) == 4


def test_loopback_in_the_mac(card: Card) -> None:
    card.put(Register.RCTL, card.get(Register.RCTL) | Rctl.LBM_MAC)
    card.nic.receive(frame(seed=9))                                         # the wire is not heard
    card.transmit(frame(100, MAC), frame(100, PEER))
    assert [packet for packet, *_ in card.received()] == [frame(100, MAC)] and not card.wire.sent
    card.put(Register.TCTL, Tctl.EN)
    card.transmit(frame(40, MAC))
    assert not card.received() and card.get(Statistic.RUC) == 1             # too short: nobody has padded it
    assert card.get(Statistic.GPTC) == 2


def test_loopback_takes_the_time_of_the_link() -> None:
    card = Card(10_000_000)
    card.start(rctl=Rctl.LBM_MAC)
    card.legacy(frame(1000, MAC))
    card.go()
    while card.get(Statistic.TPT) == 0:
        before = card.clock.now
        card.clock.advance(card.clock.deadline - card.clock.now)
    assert card.clock.now - before == 1024 * 8 * 50                         # 100 ns a bit, 2 ns a cycle
    card.settle()
    assert card.received()


def test_loopback_in_the_phy(card: Card) -> None:
    card.put(Register.MDIC, 1 << 26 | 1 << 21 | 0x4140)
    card.settle()
    card.transmit(frame(100, MAC))
    assert card.received() and not card.wire.sent


@pytest.mark.parametrize(("register", "value"), [(Register.TDT, 16), (Register.TDT, 0xFFFF), (Register.TDH, 16),
                                                 (Register.TDLEN, 0), (Register.TDLEN, 127)])
def test_a_ring_without_sense_sends_nothing(card: Card, register: int, value: int) -> None:
    card.put(register, value)
    card.settle()
    assert not card.wire.sent
    card.start()
    card.transmit(frame())
    assert card.wire.sent == [frame()]


@pytest.mark.parametrize("address", [MEMORY - 10, 1 << 32, (1 << 64) - 1])
def test_data_nowhere_stops_the_queue_until_reset(card: Card, address: int) -> None:
    card.describe(address, 60 | (EOP | IFCS | RS) << 24)
    card.transmit(frame())
    assert not card.wire.sent and card.nic.config.read(6, 2) & MASTER_ABORT
    assert card.nic.describe()["transmit stopped"]
    assert card.receive(frame())                                            # the other queue goes on
    card.start()
    card.transmit(frame())
    assert card.wire.sent == [frame()]


def test_a_ring_nowhere_stops_the_queue(card: Card) -> None:
    card.put(Register.TDBAL, MEMORY - 16)
    card.transmit(frame(), frame())
    assert card.nic.config.read(6, 2) & MASTER_ABORT and len(card.wire.sent) == 0


def test_a_descriptor_taken_away_is_not_sent(card: Card) -> None:
    card.legacy(frame())
    card.go()
    card.put(Register.TDT, 0)
    card.settle()
    assert not card.wire.sent
    card.go()
    card.settle()
    assert card.wire.sent == [frame()]


def test_a_context_alone_sends_nothing(card: Card) -> None:
    card.describe(0, (RS | DEXT | IDE) << 24)
    card.go()
    card.settle()
    assert not card.wire.sent and status(card, 0) == 1
    assert struct.unpack("<Q", card.memory.read(TX_RING, 8)) == (0,)
