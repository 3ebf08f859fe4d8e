"""The controller before a packet moves: PCI, registers, EEPROM, PHY, link, reset."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.bus import Line
from emu.clock import Clock
from emu.devices.e1000 import E1000
from emu.devices.e1000.registers import Cause, Ctrl, CtrlExt, Eecd, Mdic, Rctl, Register, Status
from tests.emu.devices.e1000.card import MAC, MEMORY, Card, Memory, Wire, frame

ONES = 0xFFFF_FFFF
RAH0 = int.from_bytes(MAC[4:], "little") | 1 << 31


@pytest.fixture
def card() -> Card:
    return Card()


def read_phy(card: Card, register: int, address: int = 1) -> int:
    card.put(Register.MDIC, Mdic.READ | address << 21 | register << 16)
    while not card.get(Register.MDIC) & Mdic.R:
        card.clock.advance(card.microseconds(50))
    return card.get(Register.MDIC)


def write_phy(card: Card, register: int, value: int) -> None:
    card.put(Register.MDIC, Mdic.WRITE | 1 << 21 | register << 16 | value)
    card.clock.advance(card.microseconds(64))
    assert card.get(Register.MDIC) & Mdic.R


def test_pci_configuration_names_the_82540em(card: Card) -> None:
    config = card.nic.config
    assert config.read(0, 4) == 0x100E_8086
    assert config.read(8, 4) >> 8 == 0x02_00_00
    assert config.read(0x3D, 1) == 1
    for offset, size in ((0x10, 0x20000), (0x14, 0x10000), (0x18, 8 | 1)):
        config.write(offset, ONES, 4)
        assert config.read(offset, 4) == (-size if offset < 0x18 else -8 | 1) & ONES


@pytest.mark.parametrize(("rate", "speed"), [(9_600, 0), (10_000_000, 0), (100_000_000, 1), (155_000_000, 1),
                                             (1_000_000_000, 2), (10_000_000_000, 2)])
def test_status_shows_speed_and_duplex_of_the_link(rate: int, speed: int) -> None:
    card = Card(rate)
    card.put(Register.CTRL, Ctrl.SLU)
    assert card.get(Register.STATUS) == Status.FD | Status.LU | speed << 6 | speed << 8
    assert read_phy(card, 17) >> 14 & 3 == speed


def test_the_link_comes_up_when_software_says_so(card: Card) -> None:
    card.put(Register.IMS, Cause.LSC)
    assert not card.get(Register.STATUS) & Status.LU
    card.put(Register.CTRL, card.get(Register.CTRL) | Ctrl.SLU)
    assert card.get(Register.STATUS) & Status.LU
    assert card.irq.level == 1
    assert card.get(Register.ICR) == Cause.LSC
    assert card.irq.level == 0


def test_pulling_the_wire_interrupts(card: Card) -> None:
    card.start()
    card.nic.link_changed(False)
    assert card.irq.level and card.get(Register.ICR) == Cause.LSC
    assert not card.get(Register.STATUS) & Status.LU
    card.nic.link_changed(True)
    assert card.irq.level and card.get(Register.ICR) == Cause.LSC
    assert card.get(Register.STATUS) & Status.LU


def test_reset_leaves_the_values_of_the_manual(card: Card) -> None:
    card.start()
    card.put(Register.MTA + 4, ONES)
    card.put(Register.PBA, 40)
    card.put(Register.CTRL, card.get(Register.CTRL) | Ctrl.RST)
    assert card.get(Register.CTRL) == Ctrl.FD | 2 << 8
    assert card.get(Register.RCTL) == card.get(Register.TCTL) == card.get(Register.IMS) == 0
    assert card.get(Register.MTA + 4) == 0
    assert card.get(Register.VET) == 0x8100
    assert card.get(Register.PBA) == 24 << 16 | 40
    assert (card.get(Register.RAL), card.get(Register.RAH)) == (int.from_bytes(MAC[:4], "little"), RAH0)
    card.nic.reset()
    assert card.get(Register.PBA) == 16 << 16 | 48
    assert card.nic.config.read(4, 2) == 0


def test_reserved_bits_read_zero(card: Card) -> None:
    for register, bits in ((Register.RCTL, 0x06DF_B3FE), (Register.TCTL, 0x017F_FFFA), (Register.RDLEN, 0xFFF80),
                           (Register.RDBAL, 0xFFFF_FFF0), (Register.RAH + 8, 0x8003_FFFF), (Register.ITR, 0xFFFF),
                           (Register.RDTR, 0xFFFF), (Register.RXCSUM, 0x3FF)):
        card.put(register, ONES)
        assert card.get(register) == bits
    card.put(Register.CTRL, ONES & ~Ctrl.RST)
    assert card.get(Register.CTRL) == 0xDBFC_1BE9


def test_registers_are_32_bits_wide(card: Card) -> None:
    card.put(Register.RDBAL, 0x1234_5670)
    card.nic.write(Register.RDBAL, 0, 1)
    card.nic.write(Register.RDBAL + 2, 0, 2)
    assert card.get(Register.RDBAL) == 0x1234_5670
    assert card.nic.read(Register.RDBAL + 2, 2) == 0x1234
    assert card.nic.read(Register.RDBAL + 1, 1) == 0x56
    assert card.get(0x0004) == card.get(0x1_0000) == card.get(0x1_FFFC) == 0


def test_the_ports_reach_the_registers_as_well(card: Card) -> None:
    io = card.nic.io
    io.write(0, Register.RDBAL, 4)
    io.write(4, 0x5550, 4)
    assert io.read(0, 4) == Register.RDBAL
    assert io.read(4, 4) == card.get(Register.RDBAL) == 0x5550
    assert io.read(5, 1) == 0x55
    io.write(0, ONES, 4)
    io.write(4, 1, 4)
    assert io.read(4, 4) == 0


def test_eerd_reads_the_address_and_a_checksum_that_is_right(card: Card) -> None:
    words = []
    for address in range(64):
        card.put(Register.EERD, 1 | address << 8)
        assert not card.get(Register.EERD) & 1 << 4
        card.clock.advance(card.microseconds(26))
        assert card.get(Register.EERD) & 1 << 4
        words.append(card.get(Register.EERD) >> 16)
    assert b"".join(word.to_bytes(2, "little") for word in words[:3]) == MAC
    assert sum(words) & 0xFFFF == 0xBABA


def bang(card: Card, bits: str) -> str:
    """Clock bits into the EEPROM with EECD; what came out after each rising edge."""
    out = ""
    for bit in bits:
        pins = Eecd.REQ | Eecd.CS | (Eecd.DI if bit == "1" else 0)
        card.put(Register.EECD, pins)
        card.put(Register.EECD, pins | Eecd.SK)
        out += "1" if card.get(Register.EECD) & Eecd.DO else "0"
        card.put(Register.EECD, pins)
    return out


def test_the_eeproms_pins_read_the_same_words(card: Card) -> None:
    card.put(Register.EECD, Eecd.REQ)
    assert card.get(Register.EECD) & (Eecd.GNT | Eecd.PRES) == Eecd.GNT | Eecd.PRES
    for address, word in enumerate(card.nic.eeprom.words):
        assert bang(card, f"00110{address:06b}")[-1] == "0"             # leading zeros are no start bit
        assert int(bang(card, "0" * 16), 2) == word
        assert int(bang(card, "0" * 16), 2) == card.nic.eeprom.words[(address + 1) % 64]
        card.put(Register.EECD, Eecd.REQ)                               # CS low


def test_the_eeprom_is_not_programmed(card: Card) -> None:
    before = list(card.nic.eeprom.words)
    for instruction in ("100110000", "101000000" + "1" * 16, "111000000"):     # EWEN, WRITE 0, ERASE 0
        bang(card, instruction)
        card.put(Register.EECD, Eecd.REQ)
    assert card.nic.eeprom.words == before


@pytest.mark.parametrize("mac", [b"", b"\0" * 6, b"\1" + b"\0" * 5, b"\2" * 7])
def test_an_impossible_address_is_refused(mac: bytes) -> None:
    clock = Clock(1_000_000)
    with pytest.raises(ValueError, match="MAC address"):
        E1000(clock, Line(), Memory(MEMORY), Wire(clock, 10), mac=mac)


def test_the_phy_is_a_marvell_with_a_link(card: Card) -> None:
    assert read_phy(card, 2) & 0xFFFF == 0x0141
    assert read_phy(card, 3) & 0xFFF0 == 0x0C20
    assert read_phy(card, 1) & 0x24 == 0x24                             # link, autonegotiation complete
    assert read_phy(card, 10) & 0x3C00 == 0x3C00
    assert read_phy(card, 2, address=2) & Mdic.E


def test_mdic_takes_its_time_and_interrupts_if_asked(card: Card) -> None:
    card.put(Register.IMS, Cause.MDAC)
    card.put(Register.MDIC, Mdic.READ | Mdic.I | 1 << 21 | 2 << 16)
    card.clock.advance(card.microseconds(64) - 1)
    assert not card.get(Register.MDIC) & Mdic.R and not card.irq.level
    card.clock.advance(1)
    assert card.get(Register.MDIC) & Mdic.R and card.irq.level


def test_the_phy_forgets_no_loss_of_link(card: Card) -> None:
    card.nic.link_changed(False)
    card.nic.link_changed(True)
    assert not read_phy(card, 1) & 0x04
    assert read_phy(card, 1) & 0x04


def test_power_down_restart_and_reset_of_the_phy_change_the_link(card: Card) -> None:
    card.start()
    write_phy(card, 0, 0x1140 | 1 << 11)
    assert card.get(Register.ICR) == Cause.LSC and not card.get(Register.STATUS) & Status.LU
    write_phy(card, 0, 0x1140)
    assert card.get(Register.ICR) == Cause.LSC and card.get(Register.STATUS) & Status.LU
    for restart in (0x1340, 0x9140):
        write_phy(card, 0, restart)
        assert card.get(Register.ICR) == Cause.LSC and card.get(Register.STATUS) & Status.LU
        assert read_phy(card, 0) & 0xFFFF == 0x1140
    control = card.get(Register.CTRL)
    card.put(Register.CTRL, control | Ctrl.PHY_RST)
    assert not card.get(Register.STATUS) & Status.LU
    card.put(Register.CTRL, control)
    assert card.get(Register.STATUS) & Status.LU
    write_phy(card, 2, 0)                                               # read only
    assert read_phy(card, 2) & 0xFFFF == 0x0141


def test_other_registers_of_the_phy_remember(card: Card) -> None:
    write_phy(card, 20, 0x0D60)
    assert read_phy(card, 20) & 0xFFFF == 0x0D60
    card.nic.link_changed(False)
    assert read_phy(card, 5) & 0xFFFF == read_phy(card, 17) & 0xFFFF == 0       # no partner


def test_the_eeprom_is_read_again_when_asked(card: Card) -> None:
    card.put(Register.RAL, 0)
    card.put(Register.CTRL_EXT, CtrlExt.EE_RST)
    assert card.get(Register.RAL) == int.from_bytes(MAC[:4], "little") and card.get(Register.CTRL_EXT) == 0


def test_describe_names_the_registers_and_changes_nothing(card: Card) -> None:
    card.start()
    card.receive(frame())
    card.put(Register.ICS, Cause.RXT0)
    before = card.nic.save()
    shown = card.nic.describe()
    assert shown["RCTL"] == card.get(Register.RCTL) and shown["address 0"] == MAC.hex(":") and shown["GPRC"] == 1
    assert shown["ICR"] and shown["PHY ID_1"] == 0x0141
    assert card.nic.save() == before


OFFSETS = st.one_of(st.sampled_from(list(Register)), st.integers(0, 0x1FFFF))
VALUES = st.one_of(st.integers(0, ONES), st.sampled_from([0, ONES, 0x1000, 0x10, 0x80, Rctl.EN, 0xFFFFF, 0x4010A]))
SIZES = st.sampled_from([1, 2, 4, 4, 4, 4])
STEPS = st.lists(st.tuples(st.sampled_from("wwwwrai"), OFFSETS, VALUES, SIZES), max_size=60)


@settings(max_examples=300, deadline=None)
@given(STEPS, st.binary(min_size=256, max_size=256))
def test_whatever_software_writes_never_raises(steps: list[tuple[str, int, int, int]], contents: bytes) -> None:
    card = Card(memory=Memory(0x10000))
    card.memory.bytes[0x1000:0x1100] = card.memory.bytes[0x2000:0x2100] = contents
    card.nic.write(Register.CTRL, Ctrl.SLU, 4)
    for what, offset, value, size in steps:
        match what:
            case "w":
                card.nic.write(offset, value & (1 << 8 * size) - 1, size)
            case "r":
                assert 0 <= card.nic.read(offset, size) < 1 << 8 * size
            case "a":
                card.clock.advance(value % 100_000)
            case _:
                card.nic.receive(bytes(value % 3000))
        assert 0 <= card.nic.receiver.fifo.used <= 64 << 10
    card.clock.advance(100_000)
    card.nic.describe()
