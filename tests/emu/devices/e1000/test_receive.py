"""The way in: filters, buffers, descriptors, what goes wrong."""

from __future__ import annotations

import zlib

import pytest

from emu.devices.e1000.registers import Cause, Ctrl, Rctl, Register
from emu.devices.e1000.statistics import Statistic
from tests.emu.devices.e1000.card import MAC, MEMORY, PEER, RX_RING, STRIDE, Card, Memory, ethernet, frame, words

BROADCAST, GROUP = b"\xFF" * 6, bytes.fromhex("01005e7f0001")
DD_EOP_IXSM = 0x07
MASTER_ABORT = 0x2000


class HalfReadOnly(Memory):
    """Memory whose rings can be written by the test alone."""

    def write(self, address: int, data: bytes) -> None:
        if address < 0x10000 and len(data) != 16:
            raise ValueError("read only")
        super().write(address, data)


@pytest.fixture
def card() -> Card:
    card = Card()
    card.start()
    return card


def test_a_frame_arrives_and_interrupts(card: Card) -> None:
    sent = frame(100)
    card.nic.receive(sent)
    assert not card.irq.level                       # it is still on its way
    card.settle()
    assert card.irq.level and card.get(Register.ICR) == Cause.RXT0
    assert card.get(Register.RDH) == 1
    assert card.received() == [(sent, DD_EOP_IXSM, words(sent), 0)]


def test_the_bus_takes_its_time(card: Card) -> None:
    """Descriptor 17 + 4 clocks, 100 bytes 6 + 25, descriptor back 6 + 4: 62 clocks of 15 cycles (30 ns)."""
    card.clock.advance(15 - card.clock.now % 15)
    card.nic.receive(frame(100))
    card.clock.advance(62 * 15 - 1)
    assert card.get(Register.RDH) == 0
    card.clock.advance(1)
    assert card.get(Register.RDH) == 1


def test_many_frames_go_round_the_ring(card: Card) -> None:
    sent = [frame(60 + i, seed=i) for i in range(100)]
    found = []
    for each in sent:
        found += card.receive(each)
    assert [packet for packet, *_ in found] == sent
    assert card.get(Statistic.GPRC) == 100 and card.get(Statistic.GPRC) == 0


def test_the_crc_is_kept_unless_it_is_to_be_stripped(card: Card) -> None:
    card.start(rctl=0)
    sent = frame(61)
    (packet, _, checksum, _), = card.receive(sent)
    assert packet == sent + zlib.crc32(sent).to_bytes(4, "little")
    assert checksum == words(packet)


def test_a_short_frame_has_been_padded(card: Card) -> None:
    (packet, *_), = card.receive(MAC + PEER + b"\x08\x06")
    assert packet == (MAC + PEER + b"\x08\x06").ljust(60, b"\0")


@pytest.mark.parametrize(("rctl", "size"), [(0, 2048), (1 << 16, 1024), (2 << 16, 512), (3 << 16, 256),
                                            (Rctl.BSEX | 1 << 16, 16384), (Rctl.BSEX | 2 << 16, 8192),
                                            (Rctl.BSEX | 3 << 16, 4096)])
def test_long_packets_fill_several_buffers(rctl: int, size: int) -> None:
    card = Card()
    card.start(rx=64, rctl=rctl | Rctl.SECRC | Rctl.LPE)
    sent = frame(9000)
    card.nic.receive(sent)
    card.settle()
    used = -(-9000 // size)
    assert card.get(Register.RDH) == used
    for i in range(used):
        length = int.from_bytes(card.memory.read(RX_RING + 16 * i + 8, 2), "little")
        assert length == min(size, 9000 - i * size)
    if used <= 16:                                  # the test has no more buffers
        assert card.received()[0][0] == sent


def test_lengths_beyond_the_standard(card: Card) -> None:
    assert len(card.receive(frame(1518), frame(1519))) == 1             # 1522 with CRC
    assert card.get(Statistic.ROC) == 1
    card.put(Register.RCTL, card.get(Register.RCTL) | Rctl.LPE)
    assert [len(packet) for packet, *_ in card.receive(frame(1519), frame(16380), frame(16381))] == [1519, 16380]
    assert card.get(Statistic.ROC) == 1
    card.put(Register.RCTL, card.get(Register.RCTL) & ~Rctl.LPE | Rctl.SBP)
    assert len(card.receive(frame(1519))) == 1
    assert card.get(Statistic.GPRC) == 3
    assert card.get(Statistic.TPR) == 6


@pytest.mark.parametrize(("rctl", "to", "passes"), [
    (0, MAC, True), (0, PEER, False), (Rctl.UPE, PEER, True), (Rctl.UPE, GROUP, False), (Rctl.UPE, BROADCAST, False),
    (0, BROADCAST, False), (Rctl.BAM, BROADCAST, True), (Rctl.MPE, BROADCAST, True), (0, GROUP, False),
    (Rctl.BAM, GROUP, False), (Rctl.MPE, GROUP, True), (Rctl.MPE, PEER, False)])
def test_addresses(rctl: int, to: bytes, passes: bool) -> None:
    card = Card()
    card.start(rctl=rctl)
    assert bool(card.receive(frame(to=to))) == passes
    assert card.get(Statistic.TPR) == 1 and card.get(Statistic.GPRC) == passes


def test_sixteen_addresses_match_exactly(card: Card) -> None:
    for i in range(1, 16):
        card.put(Register.RAL + 8 * i, int.from_bytes(PEER[:4], "little"))
        card.put(Register.RAH + 8 * i, int.from_bytes(PEER[4:], "little") + i | 1 << 31)
    others = [PEER[:4] + (int.from_bytes(PEER[4:], "little") + i).to_bytes(2, "little") for i in range(17)]
    assert [bool(card.receive(frame(to=other))) for other in others] == [False] + [True] * 15 + [False]
    card.put(Register.RAH + 8, int.from_bytes(PEER[4:], "little") + 1)          # not valid any more
    assert not card.receive(frame(to=others[1]))


@pytest.mark.parametrize(("mode", "low"), [(0, 36), (1, 35), (2, 34), (3, 32)])
def test_the_multicast_table_is_indexed_by_twelve_bits(mode: int, low: int) -> None:
    card = Card()
    card.start(rctl=mode << 12)
    index = int.from_bytes(GROUP, "little") >> low & 0xFFF                  # bit 0 is the first on the wire
    card.put(Register.MTA + 4 * (index >> 5), 1 << (index & 31))
    (_, status, *_), = card.receive(frame(to=GROUP))
    assert status & 0x80                                                    # passed an inexact filter
    assert not card.receive(frame(to=GROUP[:4] + b"\x12\x34"))
    assert card.get(Statistic.MPRC) == 1


def tagged(tag: int) -> bytes:
    return MAC + PEER + b"\x81\x00" + tag.to_bytes(2, "big") + frame(100)[12:]


def test_vlan_tags_are_taken_off(card: Card) -> None:
    assert card.receive(tagged(0x2ABC))[0][0] == tagged(0x2ABC)
    card.put(Register.CTRL, card.get(Register.CTRL) | Ctrl.VME)
    (packet, status, checksum, tag), = card.receive(tagged(0x2ABC))
    assert packet == frame(100) and status & 0x08 and tag == 0x2ABC and checksum == words(packet)
    assert not card.receive(frame())[0][1] & 0x08


def test_vlans_are_filtered() -> None:
    card = Card()
    card.start(rctl=Rctl.VFE)
    card.put(Register.VFTA + 4 * (0xABC >> 5), 1 << (0xABC & 31))
    assert card.receive(tagged(0x0ABC)) and card.receive(tagged(0x1ABC)) and card.receive(frame())
    assert not card.receive(tagged(0x0ABD))
    card.put(Register.RCTL, card.get(Register.RCTL) | Rctl.CFIEN)
    assert card.receive(tagged(0x0ABC)) and not card.receive(tagged(0x1ABC))


def test_frames_wait_in_the_fifo_for_buffers(card: Card) -> None:
    card.put(Register.IMC, Cause.RXT0)
    for i in range(20):
        card.nic.receive(frame(1000, seed=i))
    card.settle()
    assert card.get(Register.RDH) == card.get(Register.RDT) == 15
    assert card.get(Statistic.RNBC) == 0                                    # there were descriptors when they came
    assert [packet for packet, *_ in card.received()] == [frame(1000, seed=i) for i in range(15)]
    card.settle()
    assert [packet for packet, *_ in card.received()] == [frame(1000, seed=i) for i in range(15, 20)]


def test_a_full_fifo_loses_frames_and_says_so(card: Card) -> None:
    card.put(Register.RDT, 0)                                               # no descriptors
    card.put(Register.IMS, Cause.RXO)
    size = 1008 + 16                                                        # 1000 + CRC, in units of 16, and 16
    room = (48 << 10) // size
    for i in range(room):
        card.nic.receive(frame(1000, seed=i))
    assert card.get(Statistic.MPC) == 0 and card.get(Statistic.RNBC) == room and not card.irq.level
    card.nic.receive(frame(1000))
    assert card.get(Register.ICR) == Cause.RXO
    assert card.get(Statistic.MPC) == 1 and card.get(Statistic.TPR) == room + 1 and card.get(Statistic.GPRC) == room
    card.put(Register.RDT, 15)
    card.settle()
    assert len(card.received()) == 15


def test_few_descriptors_interrupt(card: Card) -> None:
    for mode, least in ((0, 8), (1, 4), (2, 2)):
        card.start(rctl=mode << 8, causes=Cause.RXDMT0)
        for i in range(15 - least):
            card.nic.receive(frame(seed=i))
            card.settle()
            assert card.irq.level == (15 - (i + 1) <= least)


def test_statistics_count_octets_and_sizes(card: Card) -> None:
    for size in (60, 61, 123, 124, 251, 252, 507, 508, 1019, 1020, 1514):
        card.receive(frame(size))
    card.receive(frame(60, BROADCAST))
    card.receive(frame(60, PEER))                                           # not for us
    assert [card.get(Statistic.PRC64 + 4 * i) for i in range(6)] == [2, 2, 2, 2, 2, 2]
    assert card.get(Statistic.BPRC) == 1
    octets = sum((60, 61, 123, 124, 251, 252, 507, 508, 1019, 1020, 1514)) + 60 + 12 * 4
    assert card.get(Statistic.GORCL) == octets and card.get(Statistic.GORCL) == octets
    assert card.get(Statistic.GORCL + 4) == 0 and card.get(Statistic.GORCL) == 0
    assert card.get(Statistic.TORL) == octets + 64
    assert card.get(0x4000) == card.get(0x40FC) == 0


def test_a_disabled_receiver_hears_nothing(card: Card) -> None:
    card.put(Register.RCTL, 0)
    assert not card.receive(frame()) and card.get(Statistic.TPR) == 0
    card.put(Register.RCTL, Rctl.EN)
    card.put(Register.CTRL, 0)                                              # no link
    assert not card.receive(frame()) and card.get(Statistic.TPR) == 0


@pytest.mark.parametrize(("register", "value"), [(Register.RDT, 16), (Register.RDT, 0xFFFF), (Register.RDH, 16),
                                                 (Register.RDLEN, 0), (Register.RDLEN, 127)])
def test_a_ring_without_sense_takes_nothing(card: Card, register: int, value: int) -> None:
    card.put(register, value)
    card.nic.receive(frame())
    card.settle()
    assert not card.received() and not card.irq.level
    card.start()
    assert card.receive(frame())


def test_a_ring_nowhere_stops_the_queue_until_reset(card: Card) -> None:
    card.put(Register.RDBAH, 1)
    card.nic.receive(frame())
    card.settle()
    assert card.nic.config.read(4, 4) >> 16 & MASTER_ABORT
    assert card.nic.describe()["receive stopped"]
    card.put(Register.RDBAH, 0)
    assert not card.receive(frame())
    card.start()
    assert card.receive(frame(seed=5))[0][0] == frame(seed=5)


def test_a_buffer_nowhere_stops_the_queue(card: Card) -> None:
    card.memory.write(RX_RING + 16, (MEMORY - 59).to_bytes(8, "little"))
    assert len(card.receive(frame(), frame())) == 1
    assert card.nic.config.read(4, 4) >> 16 & MASTER_ABORT
    card.nic.config.write(6, MASTER_ABORT, 2)
    assert not card.nic.config.read(6, 2)


def test_a_descriptor_that_cannot_be_written_back_stops_the_queue() -> None:
    card = Card(memory=HalfReadOnly())
    card.start()
    assert not card.receive(frame()) and card.nic.describe()["receive stopped"]
    card.transmit(frame())
    assert card.wire.sent and card.nic.describe()["transmit stopped"] and card.get(Register.TDH) == 0


def test_a_descriptor_taken_away_is_not_filled(card: Card) -> None:
    card.nic.receive(frame())
    card.put(Register.RDT, 0)
    card.settle()
    assert not card.received() and card.get(Register.RDH) == 0
    card.put(Register.RDT, 15)
    card.settle()
    assert card.received()[0][0] == frame()


def test_without_leave_to_be_master_nothing_moves(card: Card) -> None:
    card.nic.config.write(4, 3, 2)
    assert not card.receive(frame())
    card.nic.config.write(4, 7, 2)
    card.put(Register.RDT, 15)
    card.settle()
    assert card.received()


def test_a_wrapping_ring_of_the_smallest_size_works() -> None:
    card = Card()
    card.start(rx=8)
    assert [packet for i in range(50) for packet, *_ in card.receive(frame(seed=i))] == [
        frame(seed=i) for i in range(50)]


def test_memory_is_written_only_where_the_packet_goes(card: Card) -> None:
    before = bytes(card.memory.bytes)
    card.receive(ethernet(b"x" * 100))
    changed = [i for i, (a, b) in enumerate(zip(before, card.memory.bytes, strict=True)) if a != b]
    assert all(0x20000 <= i < 0x20000 + 114 for i in changed)               # the test has cleared the descriptor
    assert isinstance(card.memory, Memory) and STRIDE > 114
