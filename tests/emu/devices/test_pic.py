"""The pair of 8259As, through its ports, its sixteen wires and its INTR pin."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.bus import Line, Space
from emu.devices.pic import PicPair

MASTER, SLAVE, ELCR = 0x20, 0xA0, 0x4D0
EOI, READ_IRR, READ_ISR, POLL = 0x20, 0x0A, 0x0B, 0x0C       # OCW2, OCW3 as software writes them
SPECIAL_MASK, NORMAL_MASK = 0x68, 0x48


class Board:
    """The controllers at their ports, the processor's end of INTR, and what software does with them."""

    def __init__(self) -> None:
        self.intr = Line("intr")
        self.pair = PicPair(self.intr)
        self.ports = Space("port", 1 << 16)
        for base, device in ((MASTER, self.pair.master), (SLAVE, self.pair.slave), (ELCR, self.pair.elcr)):
            self.ports.claim(base, 2, device, f"pic at {base:x}")

    def outb(self, port: int, *values: int) -> None:
        for value in values:
            self.ports.write(port, value, 1)

    def inb(self, port: int) -> int:
        return self.ports.read(port, 1)

    def initialize(self, icw1: int = 0x11, master4: int = 0x01, slave4: int = 0x01) -> None:
        """The usual sequence: vectors 20h and 28h, slave on IR 2, 8086 mode, nothing masked."""
        self.outb(MASTER, icw1)
        self.outb(MASTER + 1, 0x20, 0x04, master4)
        self.outb(SLAVE, icw1)
        self.outb(SLAVE + 1, 0x28, 0x02, slave4)

    def raise_irq(self, *lines: int) -> None:
        for n in lines:
            self.pair.irq[n].set(1)

    def lower_irq(self, *lines: int) -> None:
        for n in lines:
            self.pair.irq[n].set(0)

    def irr(self, chip: int = MASTER) -> int:
        self.outb(chip, READ_IRR)
        return self.inb(chip)

    def isr(self, chip: int = MASTER) -> int:
        self.outb(chip, READ_ISR)
        return self.inb(chip)

    def served(self) -> list[int]:
        """Acknowledge as long as INTR is high; the lines in their order."""
        lines = []
        while self.intr.level:
            lines.append(self.pair.acknowledge()[1])
        return lines


@pytest.fixture
def board() -> Board:
    board = Board()
    board.initialize()
    return board


# Initialization

def test_nothing_is_requested_before_the_last_initialization_command_word() -> None:
    board = Board()
    board.raise_irq(3)
    assert board.intr.level == 0
    board.lower_irq(3)
    for port, value in ((MASTER, 0x11), (MASTER + 1, 0x20), (MASTER + 1, 0x04)):
        board.outb(port, value)
        board.lower_irq(3)
        board.raise_irq(3)
        assert board.intr.level == 0
    board.outb(MASTER + 1, 0x01)
    assert board.intr.level == 1


def test_icw1_clears_mask_and_service_and_selects_irr(board: Board) -> None:
    board.raise_irq(1, 6)
    board.pair.acknowledge()
    board.outb(MASTER + 1, 0xF0)
    board.outb(MASTER, READ_ISR)
    board.outb(MASTER, 0xC3)                                 # set priority: IR 3 lowest
    board.initialize()
    assert board.inb(MASTER + 1) == 0
    assert board.isr() == 0
    board.lower_irq(1, 6)
    board.raise_irq(1, 6)
    board.outb(MASTER, 0x11)
    board.outb(MASTER + 1, 0x20, 0x04, 0x01)
    assert board.inb(MASTER) == 0                            # IRR, and the edges before ICW1 are forgotten
    board.lower_irq(1, 6)
    board.raise_irq(6, 1)
    assert board.inb(MASTER) == 0x42
    assert board.served()[0] == 1                            # priorities are as at power-on


def test_an_input_that_is_high_at_icw1_needs_a_new_edge() -> None:
    board = Board()
    board.raise_irq(0)
    board.initialize()
    assert board.intr.level == 0
    board.lower_irq(0)
    board.raise_irq(0)
    assert board.served() == [0]


@pytest.mark.parametrize(("icw1", "words"), [(0x11, 3), (0x13, 2), (0x10, 2), (0x12, 1)])
def test_icw1_says_which_words_follow(icw1: int, words: int) -> None:
    board = Board()
    board.outb(MASTER, icw1)
    board.outb(MASTER + 1, *[0x00] * words)
    board.outb(MASTER + 1, 0x5A)
    assert board.inb(MASTER + 1) == 0x5A                     # it is OCW1 by then
    assert board.pair.master.expects == 0


def test_the_vector_is_the_base_without_its_low_bits_plus_the_level(board: Board) -> None:
    board.outb(MASTER, 0x11)
    board.outb(MASTER + 1, 0x9F, 0x04, 0x01)
    for n in (0, 1, 3, 7):
        board.raise_irq(n)
        assert board.pair.acknowledge() == (0x98 + n, n)
        board.outb(MASTER, EOI)


@pytest.mark.parametrize(("icw1", "vector"), [(0xF2, 0xC0 | 5 << 3), (0xF6, 0xE0 | 5 << 2)])
def test_without_icw4_the_vector_is_the_low_byte_of_the_call_address(icw1: int, vector: int) -> None:
    board = Board()
    board.outb(MASTER, icw1)
    board.outb(MASTER + 1, 0x77)
    board.raise_irq(5)
    assert board.pair.acknowledge() == (vector, 5)


def test_a_single_controller_takes_ir_2_as_any_other() -> None:
    board = Board()
    board.outb(MASTER, 0x13)
    board.outb(MASTER + 1, 0x20, 0x01)
    board.outb(SLAVE, 0x11)
    board.outb(SLAVE + 1, 0x28, 0x02, 0x01)
    board.raise_irq(9)
    assert board.pair.acknowledge() == (0x22, 2)
    assert board.irr(SLAVE) == 0x02


@pytest.mark.parametrize(("slaves", "identity", "irq", "line"), [(0x04, 0x05, 9, 2), (0x0C, 0x02, 3, 3)])
def test_a_slave_that_does_not_answer_leaves_the_bus_floating(slaves: int, identity: int, irq: int, line: int) -> None:
    board = Board()
    board.outb(MASTER, 0x11)
    board.outb(MASTER + 1, 0x20, slaves, 0x01)
    board.outb(SLAVE, 0x11)
    board.outb(SLAVE + 1, 0x28, identity, 0x01)
    board.raise_irq(irq)
    assert board.pair.acknowledge() == (0xFF, line)


# Requests

def test_an_edge_is_acknowledged_once(board: Board) -> None:
    board.raise_irq(4)
    assert board.irr() == 0x10
    assert board.pair.acknowledge() == (0x24, 4)
    assert (board.irr(), board.isr()) == (0, 0x10)
    board.outb(MASTER, EOI)
    assert (board.isr(), board.intr.level) == (0, 0)
    board.lower_irq(4)
    board.raise_irq(4)
    assert board.intr.level == 1


def test_an_edge_that_falls_before_its_acknowledge_is_lost(board: Board) -> None:
    board.raise_irq(4)
    board.lower_irq(4)
    assert (board.irr(), board.intr.level) == (0, 0)


def test_an_edge_while_its_level_is_in_service_waits(board: Board) -> None:
    board.raise_irq(4)
    board.pair.acknowledge()
    board.lower_irq(4)
    board.raise_irq(4)
    assert (board.irr(), board.intr.level) == (0x10, 0)
    board.outb(MASTER, EOI)
    assert board.intr.level == 1


def test_a_level_triggered_line_asks_again_as_long_as_it_is_high(board: Board) -> None:
    board.outb(ELCR + 1, 0x08)                               # IRQ 11
    board.raise_irq(11)
    for _ in range(3):
        assert board.pair.acknowledge() == (0x2B, 11)
        assert board.irr(SLAVE) == 0x08
        board.outb(SLAVE, EOI)
        board.outb(MASTER, EOI)
        assert board.intr.level == 1
    board.lower_irq(11)
    assert board.intr.level == 0


def test_ltim_makes_every_input_level_triggered() -> None:
    board = Board()
    board.raise_irq(0, 5)
    board.initialize(icw1=0x19)
    assert board.irr() == 0x21
    board.pair.acknowledge()
    assert board.irr() == 0x21


def test_the_elcr_takes_only_lines_that_can_be_level_triggered(board: Board) -> None:
    board.outb(ELCR, 0xFF)
    board.outb(ELCR + 1, 0xFF)
    assert (board.inb(ELCR), board.inb(ELCR + 1)) == (0xF8, 0xDE)


def test_the_mask_hides_a_request_from_intr_but_not_from_irr(board: Board) -> None:
    board.outb(MASTER + 1, 0x10)
    board.raise_irq(4)
    assert (board.irr(), board.intr.level) == (0x10, 0)
    board.outb(MASTER + 1, 0x00)
    assert board.intr.level == 1
    board.outb(MASTER + 1, 0x10)
    assert board.intr.level == 0


def test_intr_goes_low_at_the_acknowledge_and_high_for_a_higher_priority(board: Board) -> None:
    board.raise_irq(5)
    board.pair.acknowledge()
    assert board.intr.level == 0
    board.raise_irq(6)
    assert board.intr.level == 0
    board.raise_irq(3)
    assert board.intr.level == 1


def test_intr_falls_between_two_acknowledges_that_follow_each_other(board: Board) -> None:
    board.initialize(master4=0x03)                           # AEOI: the next is requested at once
    levels: list[int] = []
    board.raise_irq(5, 6)
    board.intr.listeners.append(levels.append)
    board.pair.acknowledge()
    assert levels == [0, 1]


# Cascade

def test_a_request_of_the_slave_puts_both_chips_in_service(board: Board) -> None:
    board.raise_irq(12)
    assert board.irr() == 0x04
    assert board.pair.acknowledge() == (0x2C, 12)
    assert (board.isr(MASTER), board.isr(SLAVE)) == (0x04, 0x10)


def test_the_slaves_lines_rank_between_irq_1_and_irq_3(board: Board) -> None:
    board.initialize(master4=0x03, slave4=0x03)
    board.raise_irq(*reversed([0, 1, *range(8, 16), 3, 4, 5, 6, 7]))
    assert board.served() == [0, 1, *range(8, 16), 3, 4, 5, 6, 7]


def test_an_eoi_to_the_slave_lets_its_next_request_through_once_the_master_has_its_own(board: Board) -> None:
    board.raise_irq(9, 10)
    board.pair.acknowledge()
    board.outb(SLAVE, EOI)
    assert board.intr.level == 0
    board.outb(MASTER, EOI)
    assert board.served() == [10]


def test_without_special_nesting_the_master_holds_back_a_higher_line_of_the_slave(board: Board) -> None:
    board.raise_irq(12)
    board.pair.acknowledge()
    board.raise_irq(9)
    assert board.intr.level == 0


def test_special_fully_nested_mode_lets_higher_lines_of_the_slave_through(board: Board) -> None:
    board.initialize(master4=0x11)
    board.raise_irq(12)
    board.pair.acknowledge()
    board.raise_irq(13)
    assert board.intr.level == 0                             # held back by the slave itself
    board.raise_irq(3)
    assert board.intr.level == 0                             # ranks below the slave
    board.raise_irq(9)
    assert board.served() == [9]
    board.outb(SLAVE, EOI, EOI)
    assert board.isr(SLAVE) == 0


def test_special_fully_nested_mode_does_not_nest_a_line_without_slave(board: Board) -> None:
    board.initialize(master4=0x11)
    board.raise_irq(4)
    board.pair.acknowledge()
    board.lower_irq(4)
    board.raise_irq(4)
    assert board.intr.level == 0


# Spurious interrupts

def test_a_request_that_has_gone_gives_irq_7_with_nothing_in_service(board: Board) -> None:
    board.raise_irq(3)
    assert board.intr.level == 1
    board.lower_irq(3)
    assert board.pair.acknowledge() == (0x27, 7)
    assert board.isr() == 0


def test_a_real_irq_7_is_in_service(board: Board) -> None:
    board.raise_irq(7)
    assert board.pair.acknowledge() == (0x27, 7)
    assert board.isr() == 0x80


def test_a_request_that_only_the_slave_has_lost_gives_irq_15_and_leaves_the_master_in_service(board: Board) -> None:
    board.pair.irq[2].set(1)                                 # INT of the slave has not fallen yet
    assert board.pair.acknowledge() == (0x2F, 15)
    assert (board.isr(MASTER), board.isr(SLAVE)) == (0x04, 0)
    board.outb(MASTER, EOI)
    board.raise_irq(14)
    assert board.pair.acknowledge() == (0x2E, 14)


# End of interrupt, rotation

def test_a_non_specific_eoi_ends_the_highest_level_in_service(board: Board) -> None:
    board.raise_irq(5)
    board.pair.acknowledge()
    board.raise_irq(1)
    board.pair.acknowledge()
    assert board.isr() == 0x22
    board.outb(MASTER, EOI)
    assert board.isr() == 0x20


def test_a_specific_eoi_ends_the_level_it_names(board: Board) -> None:
    board.raise_irq(5)
    board.pair.acknowledge()
    board.raise_irq(1)
    board.pair.acknowledge()
    board.outb(MASTER, 0x60 | 5)
    assert board.isr() == 0x02


def test_an_eoi_with_nothing_in_service_changes_nothing(board: Board) -> None:
    board.outb(MASTER, EOI, 0xA0, 0x40)
    assert (board.isr(), board.pair.master.lowest) == (0, 7)


def test_rotation_on_eoi_sends_the_level_to_the_end(board: Board) -> None:
    board.raise_irq(0, 1)
    board.pair.acknowledge()
    board.outb(MASTER, 0xA0)                                 # rotate on non-specific EOI
    board.lower_irq(0)
    board.raise_irq(0, 7)
    order = []
    for _ in range(3):
        order.append(board.pair.acknowledge()[1])
        board.outb(MASTER, EOI)
    assert order == [1, 7, 0]


def test_set_priority_names_the_lowest_level(board: Board) -> None:
    board.outb(MASTER, 0xC0 | 4)
    board.raise_irq(0, 1, 3, 4, 5, 6, 7)
    order = []
    while board.intr.level:
        order.append(board.pair.acknowledge()[1])
        board.outb(MASTER, EOI)
    assert order == [5, 6, 7, 0, 1, 3, 4]


def test_rotation_on_specific_eoi_ends_and_lowers_the_level_named(board: Board) -> None:
    board.raise_irq(4)
    board.pair.acknowledge()
    board.outb(MASTER, 0xE0 | 4)
    board.raise_irq(3, 5)
    assert (board.isr(), board.served()) == (0, [5])


def test_automatic_eoi_leaves_nothing_in_service(board: Board) -> None:
    board.initialize(master4=0x03)
    board.raise_irq(6, 3)
    assert board.served() == [3, 6]
    assert board.isr() == 0


def test_rotation_in_automatic_eoi_serves_lines_in_turn(board: Board) -> None:
    board.initialize(icw1=0x19, master4=0x03)
    board.outb(MASTER, 0x80)
    board.raise_irq(3, 4, 6)
    assert [board.pair.acknowledge()[1] for _ in range(6)] == [3, 4, 6, 3, 4, 6]
    board.outb(MASTER, 0x00)
    assert [board.pair.acknowledge()[1] for _ in range(3)] == [3, 3, 3]


# Special mask mode, poll

def test_special_mask_mode_lets_lower_levels_through_a_masked_one_in_service(board: Board) -> None:
    board.raise_irq(3)
    board.pair.acknowledge()
    board.raise_irq(6)
    board.outb(MASTER + 1, 0x08)
    assert board.intr.level == 0
    board.outb(MASTER, SPECIAL_MASK)
    assert board.intr.level == 1
    board.outb(MASTER, NORMAL_MASK)
    assert board.intr.level == 0


def test_in_special_mask_mode_an_eoi_passes_over_masked_levels(board: Board) -> None:
    board.raise_irq(3)
    board.pair.acknowledge()
    board.outb(MASTER + 1, 0x08)
    board.outb(MASTER, SPECIAL_MASK)
    board.raise_irq(6)
    board.pair.acknowledge()
    board.outb(MASTER, EOI)
    assert board.isr() == 0x08
    board.outb(MASTER, EOI)
    assert board.isr() == 0x08
    board.outb(MASTER, 0x60 | 3)
    assert board.isr() == 0


def test_smm_without_esmm_changes_nothing(board: Board) -> None:
    board.outb(MASTER, 0x28)
    assert board.pair.master.special_mask is False
    board.outb(MASTER, SPECIAL_MASK)
    board.outb(MASTER, 0x08)
    assert board.pair.master.special_mask is True


def test_a_poll_acknowledges_and_names_the_level(board: Board) -> None:
    board.raise_irq(6, 5)
    board.outb(MASTER, POLL)
    assert board.inb(MASTER) == 0x85
    assert (board.isr(), board.intr.level) == (0x20, 0)
    board.outb(MASTER, POLL)
    assert board.inb(MASTER) == 0x00                         # IR 6 is held back


def test_a_poll_is_answered_at_either_address_and_once(board: Board) -> None:
    board.outb(MASTER + 1, 0x01)
    board.raise_irq(4)
    board.outb(MASTER, POLL)
    assert board.inb(MASTER + 1) == 0x84
    assert board.inb(MASTER + 1) == 0x01


def test_what_a_poll_reads_is_decided_when_it_is_written(board: Board) -> None:
    board.outb(MASTER, POLL)
    board.raise_irq(4)
    assert board.inb(MASTER) == 0
    board.outb(MASTER, POLL)
    board.raise_irq(1)
    assert board.inb(MASTER) == 0x84


def test_a_poll_overrides_a_register_read_in_the_same_word(board: Board) -> None:
    board.outb(MASTER, POLL | READ_ISR)
    assert board.inb(MASTER) == 0
    board.raise_irq(4)
    assert board.inb(MASTER) == 0x10                         # IRR still


def test_a_poll_ends_its_interrupt_itself_in_automatic_eoi_mode(board: Board) -> None:
    board.initialize(master4=0x03)
    board.raise_irq(5)
    board.outb(MASTER, POLL)
    assert board.inb(MASTER) == 0x85
    assert board.isr() == 0


def test_polling_the_slave_releases_the_master(board: Board) -> None:
    board.raise_irq(10)
    board.outb(SLAVE, POLL)
    assert board.inb(SLAVE) == 0x82
    assert (board.irr(MASTER), board.intr.level) == (0, 0)


def test_reset_silences_both_chips_until_they_are_initialized(board: Board) -> None:
    board.outb(ELCR, 0x08)
    board.raise_irq(3)
    board.pair.reset()
    assert (board.intr.level, board.inb(ELCR), board.pair.irq[3].level) == (0, 0, 1)
    board.initialize()
    board.lower_irq(3)
    board.raise_irq(3)
    assert board.intr.level == 1


def test_the_register_chosen_for_reading_stays_until_rr_comes_again(board: Board) -> None:
    board.raise_irq(4)
    board.pair.acknowledge()
    board.outb(MASTER, READ_ISR, SPECIAL_MASK, NORMAL_MASK)
    assert [board.inb(MASTER), board.inb(MASTER)] == [0x10, 0x10]
    board.outb(MASTER, READ_IRR)
    assert board.inb(MASTER) == 0


# The oracle: priority as a list, one input as four booleans

class Model:
    """One initialized 8259A in 8086 mode, as simply as it can be said."""

    def __init__(self, level_triggered: int, aeoi: bool, sfnm: bool, slaves: Iterable[int]) -> None:
        self.order = list(range(8))                          # highest priority first
        self.high = [False] * 8
        self.edge = [False] * 8                              # has risen since, and not been acknowledged
        self.level_triggered = [bool(level_triggered >> n & 1) for n in range(8)]
        self.masked = [False] * 8
        self.service = [False] * 8
        self.aeoi, self.sfnm, self.slaves = aeoi, sfnm, set(slaves)
        self.special_mask = self.rotates = False

    def set(self, n: int, high: bool) -> None:
        if high != self.high[n]:
            self.high[n] = self.edge[n] = high

    def requests(self, n: int) -> bool:
        return self.high[n] if self.level_triggered[n] else self.edge[n]

    def holds_back(self, n: int) -> bool:
        return self.service[n] and not (self.special_mask and self.masked[n])

    def winner(self) -> int | None:
        for n in self.order:
            wants = self.requests(n) and not self.masked[n]
            if self.holds_back(n):
                return n if wants and self.sfnm and n in self.slaves else None
            if wants:
                return n
        return None

    def take(self, n: int) -> None:
        self.edge[n] = False
        self.service[n] = True

    def finish(self, n: int) -> None:
        if self.aeoi:
            self.end(n, self.rotates)

    def end(self, n: int, rotate: bool) -> None:
        self.service[n] = False
        if rotate:
            self.make_lowest(n)

    def make_lowest(self, n: int) -> None:
        while self.order[-1] != n:
            self.order.append(self.order.pop(0))

    def ocw2(self, value: int) -> None:
        rotate, specific, eoi = value & 0x80, value & 0x40, value & 0x20
        if eoi and specific:
            self.end(value & 7, bool(rotate))
        elif eoi:
            for n in self.order:
                if self.holds_back(n):
                    self.end(n, bool(rotate))
                    break
        elif specific and rotate:
            self.make_lowest(value & 7)
        elif not specific:
            self.rotates = bool(rotate)

    def ocw3(self, value: int) -> None:
        if value & 0x40:
            self.special_mask = bool(value & 0x20)


def bits(flags: Iterable[bool]) -> int:
    return sum(flag << n for n, flag in enumerate(flags))


class ModelPair:
    """Two of them, and the wire between."""

    def __init__(self, levels: tuple[int, int], aeoi: tuple[bool, bool], sfnm: bool) -> None:
        self.chips = (Model(levels[0], aeoi[0], sfnm, {2}), Model(levels[1], aeoi[1], False, ()))
        self.settle()

    def settle(self) -> None:
        master, slave = self.chips
        master.set(2, slave.winner() is not None)

    def acknowledge(self) -> tuple[int, int]:
        master, slave = self.chips
        first = master.winner()
        if first is None:
            return 0x27, 7
        master.take(first)
        line = first
        if first == 2:
            second = slave.winner()
            assert second is not None                        # the wire says so
            master.set(2, False)
            slave.take(second)
            slave.finish(second)
            line = 8 + second
        self.settle()
        master.finish(first)
        return 0x20 + line, line


ocw2 = st.tuples(st.just("ocw2"), st.integers(0, 1), st.integers(0, 7).flatmap(
    lambda command: st.integers(0, 7).map(lambda level: command << 5 | level)))
ocw3 = st.tuples(st.just("ocw3"), st.integers(0, 1), st.sampled_from([SPECIAL_MASK, NORMAL_MASK, 0x08, 0x28]))
ocw1 = st.tuples(st.just("ocw1"), st.integers(0, 1), st.integers(0, 255) | st.just(0))
eoi = st.tuples(st.just("ocw2"), st.integers(0, 1), st.just(EOI))
wire = st.tuples(st.just("wire"), st.sampled_from([n for n in range(16) if n != 2]), st.integers(0, 1))
inta = st.tuples(st.just("inta"), st.just(0), st.just(0))


@settings(max_examples=300, deadline=None)
@given(st.tuples(st.integers(0, 255), st.integers(0, 255)), st.tuples(st.booleans(), st.booleans()), st.booleans(),
       st.lists(st.one_of(wire, wire, inta, inta, eoi, ocw1, ocw2, ocw3), max_size=60))
def test_any_history_agrees_with_a_list_of_priorities(levels: tuple[int, int], aeoi: tuple[bool, bool], sfnm: bool,
                                                      history: list[tuple[str, int, int]]) -> None:
    board = Board()
    board.outb(ELCR, levels[0])
    board.outb(ELCR + 1, levels[1])
    board.initialize(master4=0x01 | aeoi[0] << 1 | sfnm << 4, slave4=0x01 | aeoi[1] << 1)
    model = ModelPair((levels[0] & 0xF8, levels[1] & 0xDE), aeoi, sfnm)
    for action, which, value in history:
        port = (MASTER, SLAVE)[which & 1]
        match action:
            case "wire":
                board.pair.irq[which].set(value)
                model.chips[which >> 3].set(which & 7, bool(value))
            case "inta":
                assert board.pair.acknowledge() == model.acknowledge()
            case "ocw1":
                board.outb(port + 1, value)
                model.chips[which].masked = [bool(value >> n & 1) for n in range(8)]
            case "ocw2":
                board.outb(port, value)
                model.chips[which].ocw2(value)
            case "ocw3":
                board.outb(port, value)
                model.chips[which].ocw3(value)
        model.settle()
        assert board.intr.level == (model.chips[0].winner() is not None)
        for port, chip in ((MASTER, model.chips[0]), (SLAVE, model.chips[1])):
            assert board.irr(port) == bits(chip.requests(n) for n in range(8))
            assert board.isr(port) == bits(chip.service)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([MASTER, MASTER + 1, SLAVE, SLAVE + 1, ELCR, ELCR + 1, -1, -2]),
                          st.integers(0, 255), st.booleans()), max_size=80))
def test_no_accesses_raise_and_registers_stay_bytes(history: list[tuple[int, int, bool]]) -> None:
    board = Board()
    for port, value, is_write in history:
        if port == -1:
            vector, line = board.pair.acknowledge()
            assert 0 <= vector < 256
            assert 0 <= line < 16
        elif port == -2:
            board.pair.irq[value & 15].set(value >> 7)
        elif is_write:
            board.outb(port, value)
        else:
            assert 0 <= board.inb(port) < 256
        for chip in (board.pair.master, board.pair.slave):
            assert {chip.irr >> 8, chip.imr >> 8, chip.isr >> 8, chip.armed >> 8, chip.lowest >> 3} == {0}
