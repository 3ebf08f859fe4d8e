"""The 16550A, through its eight ports, its interrupt line and the far end of its cable."""

from __future__ import annotations

import io
from collections import deque
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.bus import Line, Space
from emu.clock import Clock
from emu.devices.uart import FCR, IER, IIR, LCR, LSR, MCR, MSR, Register, Uart, to_file

BASE = 0x3F8
TICK = 100                          # cycles per tick of the UART's crystal
FREQUENCY = 1_843_200 * TICK        # Hz
BIT = 16 * TICK                     # cycles per bit at 115,200 baud
CHARACTER = 10 * BIT                # and per character, 8N1
FORMAT_8N1 = 0x03


class Board:
    """A port set to 115,200 8N1, what software does with it, and what has arrived at the far end."""

    def __init__(self, frequency: int = FREQUENCY) -> None:
        self.clock = Clock(frequency)
        self.irq = Line("irq4")
        self.sent: list[tuple[int, int]] = []          # (cycle, byte)
        self.uart = Uart(self.clock, self.irq, lambda byte: self.sent.append((self.clock.now, byte)))
        self.ports = Space("port", 1 << 16)
        self.ports.claim(BASE, 8, self.uart, "com1")
        self.set_divisor(1)
        self.outb(Register.LCR, FORMAT_8N1)
        self.outb(Register.MCR, MCR.OUT2)

    def outb(self, register: int, *values: int) -> None:
        for value in values:
            self.ports.write(BASE + register, value, 1)

    def inb(self, register: int) -> int:
        return self.ports.read(BASE + register, 1)

    def set_divisor(self, divisor: int) -> None:
        lcr = self.inb(Register.LCR)
        self.outb(Register.LCR, lcr | LCR.DLAB)
        self.outb(Register.DLL, divisor & 0xFF)
        self.outb(Register.DLM, divisor >> 8)
        self.outb(Register.LCR, lcr)

    def iir(self) -> int:
        return self.inb(Register.IIR) & 0x0F

    def lsr(self) -> int:
        return self.inb(Register.LSR)

    def use_fifos(self, trigger_index: int = 0) -> None:
        self.outb(Register.FCR, FCR.ENABLE | trigger_index << 6)

    def arrive(self, data: bytes, errors: int = 0) -> None:
        """The far end sends `data`; time passes until it is all here."""
        self.uart.receive(data, errors)
        self.clock.advance(CHARACTER * len(data))


@pytest.fixture
def board() -> Board:
    return Board()


# Registers


def test_after_reset_the_registers_read_as_the_data_sheet_says() -> None:
    board = Board()
    board.outb(Register.IER, 0x0F)
    board.outb(Register.LCR, 0x1B)
    board.uart.reset()
    assert [board.inb(register) for register in (1, 2, 3, 4, 5)] == [0x00, 0x01, 0x00, 0x00, 0x60]


def test_the_divisor_latch_reads_back_behind_dlab_and_hides_the_data_registers(board: Board) -> None:
    board.outb(Register.IER, IER.ELSI)
    board.outb(Register.LCR, LCR.DLAB)
    board.outb(Register.DLL, 0x34)
    board.outb(Register.DLM, 0x12)
    assert (board.inb(Register.DLL), board.inb(Register.DLM)) == (0x34, 0x12)
    board.outb(Register.LCR, 0)
    assert board.inb(Register.IER) == IER.ELSI
    assert board.sent == []


@pytest.mark.parametrize("register, mask", [(Register.IER, 0x0F), (Register.LCR, 0x7F), (Register.MCR, 0x1F),
                                            (Register.SCR, 0xFF)])
def test_a_register_keeps_the_bits_that_it_has(board: Board, register: int, mask: int) -> None:
    for value in (0x55, 0x2A, 0x7F):
        board.outb(register, value)
        assert board.inb(register) == value & mask


def test_writing_the_status_registers_changes_nothing(board: Board) -> None:
    before = board.lsr(), board.inb(Register.MSR)
    board.outb(Register.LSR, 0xFF)
    board.outb(Register.MSR, 0xFF)
    assert (board.lsr(), board.inb(Register.MSR)) == before


def test_iir_shows_whether_the_fifos_are_enabled(board: Board) -> None:
    assert board.inb(Register.IIR) == 0x01
    board.use_fifos()
    assert board.inb(Register.IIR) == 0xC1
    board.outb(Register.FCR, 0)
    assert board.inb(Register.IIR) == 0x01


# Transmitting


def test_a_byte_arrives_after_one_character_time(board: Board) -> None:
    board.outb(Register.THR, 0x41)
    board.clock.advance(CHARACTER - 1)
    assert board.sent == []
    board.clock.advance(1)
    assert board.sent == [(CHARACTER, 0x41)]


@pytest.mark.parametrize("lcr, bits", [
    (0x00, Fraction(7)), (0x01, Fraction(8)), (0x02, Fraction(9)), (0x03, Fraction(10)),       # 5N1 to 8N1
    (0x04, Fraction(15, 2)), (0x05, Fraction(9)), (0x07, Fraction(11)),                        # 5N1.5, 6N2, 8N2
    (0x0B, Fraction(11)), (0x1B, Fraction(11)), (0x2F, Fraction(12)),                          # 8O1, 8E1, 8 mark 2
])
@pytest.mark.parametrize("divisor", [1, 12, 0x180])
def test_the_format_and_the_divisor_make_the_character_time(board: Board, lcr: int, bits: Fraction,
                                                            divisor: int) -> None:
    board.outb(Register.LCR, lcr)
    board.set_divisor(divisor)
    board.outb(Register.THR, 0x15)
    board.clock.advance(1 << 40)
    assert board.sent == [(bits * 16 * divisor * TICK, 0x15)]


def test_a_divisor_of_zero_counts_like_65536(board: Board) -> None:
    board.set_divisor(0)
    board.outb(Register.THR, 1)
    board.clock.advance(1 << 40)
    assert board.sent == [(CHARACTER * 65536, 1)]


def test_power_on_sets_9600_baud() -> None:
    clock, sent = Clock(FREQUENCY), bytearray()
    uart = Uart(clock, Line(), sent.append)
    uart.write(Register.LCR, FORMAT_8N1, 1)
    uart.write(Register.THR, 7, 1)
    clock.advance(FREQUENCY * 10 // 9600 - 1)
    assert sent == b""
    clock.advance(1)
    assert sent == b"\x07"


def test_a_long_transmission_does_not_drift_from_the_crystal() -> None:
    board = Board(frequency=500_000_000)            # 271.27 cycles per tick
    board.outb(Register.THR, 0)
    for n in range(1, 1001):
        board.outb(Register.THR, n & 0xFF)
        while not board.lsr() & LSR.THRE:
            board.clock.advance(max(board.clock.deadline - board.clock.now, 1))
    exact = [n * 160 * Fraction(500_000_000, 1_843_200) for n in range(1, 1001)]
    assert [cycle for cycle, _ in board.sent] == [-(-time // 1) for time in exact]


def test_short_words_are_sent_without_their_upper_bits(board: Board) -> None:
    board.outb(Register.LCR, 0x00)
    board.outb(Register.THR, 0xFF)
    board.clock.advance(CHARACTER)
    assert board.sent[0][1] == 0x1F


def test_lsr_tells_holding_register_and_shift_register_apart(board: Board) -> None:
    assert board.lsr() & 0x60 == LSR.THRE | LSR.TEMT
    board.outb(Register.THR, 1)
    assert board.lsr() & 0x60 == LSR.THRE
    board.outb(Register.THR, 2)
    assert board.lsr() & 0x60 == 0
    board.clock.advance(CHARACTER)
    assert board.lsr() & 0x60 == LSR.THRE
    board.clock.advance(CHARACTER)
    assert board.lsr() & 0x60 == LSR.THRE | LSR.TEMT


def test_without_fifo_a_second_waiting_byte_replaces_the_first(board: Board) -> None:
    board.outb(Register.THR, 1, 2, 3)
    board.clock.advance(5 * CHARACTER)
    assert [byte for _, byte in board.sent] == [1, 3]


def test_the_transmitter_fifo_holds_sixteen_bytes_behind_the_shift_register(board: Board) -> None:
    board.use_fifos()
    board.outb(Register.THR, *range(20))
    board.clock.advance(30 * CHARACTER)
    assert board.sent == [((n + 1) * CHARACTER, n) for n in range(17)]


def test_a_full_fifo_reports_thre_as_soon_as_its_last_byte_leaves_it(board: Board) -> None:
    board.use_fifos()
    board.outb(Register.THR, 1, 2, 3)
    board.clock.advance(2 * CHARACTER - 1)
    assert not board.lsr() & LSR.THRE
    board.clock.advance(1)
    assert board.lsr() & 0x60 == LSR.THRE


def test_thre_of_a_byte_alone_in_the_fifo_is_delayed_until_its_stop_bit(board: Board) -> None:
    board.use_fifos()
    board.outb(Register.THR, 0)             # the first one after the change of mode is not delayed
    assert board.lsr() & LSR.THRE
    board.clock.advance(CHARACTER)
    board.outb(Register.THR, 1)
    board.clock.advance(CHARACTER - BIT - 1)
    assert not board.lsr() & LSR.THRE
    board.clock.advance(1)
    assert board.lsr() & 0x60 == LSR.THRE


def test_a_delayed_thre_interrupts_when_it_is_due(board: Board) -> None:
    board.use_fifos()
    board.outb(Register.IER, IER.ETBEI)
    board.outb(Register.THR, 0)
    board.clock.advance(CHARACTER)
    board.outb(Register.THR, 1)
    board.clock.advance(CHARACTER - BIT - 1)
    assert (board.irq.level, board.iir()) == (0, IIR.NONE)
    board.clock.advance(1)
    assert (board.irq.level, board.iir()) == (1, IIR.THRE)


def test_resetting_the_transmitter_fifo_keeps_the_byte_in_the_shift_register(board: Board) -> None:
    board.use_fifos()
    board.outb(Register.THR, 1, 2, 3)
    board.outb(Register.FCR, FCR.ENABLE | FCR.TX_RESET)
    assert board.lsr() & 0x60 == LSR.THRE
    board.clock.advance(5 * CHARACTER)
    assert [byte for _, byte in board.sent] == [1]


def test_resetting_the_transmitter_fifo_makes_a_delayed_thre_immediate_and_raises_it_once(board: Board) -> None:
    board.use_fifos()
    board.outb(Register.IER, IER.ETBEI)
    board.outb(Register.THR, 0)
    board.clock.advance(CHARACTER)
    board.outb(Register.THR, 1)
    board.outb(Register.FCR, FCR.ENABLE | FCR.TX_RESET)
    assert board.iir() == IIR.THRE
    board.clock.advance(2 * CHARACTER)
    assert board.iir() == IIR.NONE


def test_a_break_drowns_what_is_sent(board: Board) -> None:
    board.outb(Register.LCR, FORMAT_8N1 | LCR.BREAK)
    board.outb(Register.THR, 1)
    board.clock.advance(CHARACTER)
    assert board.sent == []
    assert board.lsr() & LSR.TEMT


def test_unsent_is_what_the_far_end_has_not_got(board: Board) -> None:
    board.use_fifos()
    board.outb(Register.THR, *b"panic")
    board.clock.advance(2 * CHARACTER)
    assert board.uart.unsent() == b"nic"
    board.clock.advance(3 * CHARACTER)
    assert board.uart.unsent() == b""


def test_a_transmitted_character_costs_one_event(board: Board) -> None:
    scheduled = board.clock._serial
    for _ in range(100):
        board.outb(Register.THR, 1)
        board.clock.advance(CHARACTER)
    assert board.clock._serial - scheduled == 100


def test_a_file_can_be_the_far_end() -> None:
    clock, file = Clock(FREQUENCY), io.BytesIO()
    uart = Uart(clock, Line(), to_file(file))
    uart.write(Register.LCR, FORMAT_8N1, 1)
    for byte in b"ok":
        uart.write(Register.THR, byte, 1)
    clock.advance(FREQUENCY)
    assert file.getvalue() == b"ok"


@settings(max_examples=60, deadline=None)
@given(fifo=st.booleans(), writes=st.lists(st.tuples(st.integers(0, 25 * BIT), st.integers(0, 255)), max_size=60))
def test_transmission_is_a_queue_in_front_of_a_line(fifo: bool, writes: list[tuple[int, int]]) -> None:
    board = Board()
    if fifo:
        board.use_fifos()
    expected: list[tuple[int, int]] = []
    waiting: deque[int] = deque()
    sending, busy_until = 0, 0              # the byte on the line, and the cycle at which that is free; 0: it is
    for delay, byte in writes:
        delay -= delay % TICK               # the baud generator's grid
        board.clock.advance(delay)
        while busy_until and busy_until <= board.clock.now:
            expected.append((busy_until, sending))
            sending, busy_until = (waiting.popleft(), busy_until + CHARACTER) if waiting else (0, 0)
        if not busy_until:
            sending, busy_until = byte, board.clock.now + CHARACTER
        elif not fifo:
            waiting = deque([byte])
        elif len(waiting) < 16:
            waiting.append(byte)
        board.outb(Register.THR, byte)
    assert board.sent == expected
    assert board.uart.unsent() == bytes([sending, *waiting] if busy_until else [])


# Receiving


def test_bytes_arrive_one_character_time_apart(board: Board) -> None:
    board.clock.advance(12_300)
    board.uart.receive(b"ab")
    board.uart.receive(b"c")
    board.clock.advance(CHARACTER - 1)
    assert not board.lsr() & LSR.DR
    for byte in b"abc":
        board.clock.advance(1)
        assert board.lsr() & LSR.DR
        assert board.inb(Register.RBR) == byte
        assert not board.lsr() & LSR.DR
        board.clock.advance(CHARACTER - 1)


def test_short_words_arrive_without_their_upper_bits(board: Board) -> None:
    board.outb(Register.LCR, 0x02)
    board.arrive(b"\xff")
    assert board.inb(Register.RBR) == 0x7F


def test_without_fifo_an_overrun_loses_the_older_byte(board: Board) -> None:
    board.arrive(b"ab")
    assert board.lsr() & 0x1F == LSR.DR | LSR.OE
    assert board.lsr() & 0x1F == LSR.DR                # reading LSR clears it
    assert board.inb(Register.RBR) == ord("b")


def test_an_overrun_of_the_fifo_loses_the_newest_byte(board: Board) -> None:
    board.use_fifos()
    board.arrive(bytes(range(16)))
    assert not board.lsr() & LSR.OE
    board.arrive(b"\x99")
    assert board.lsr() & LSR.OE
    assert [board.inb(Register.RBR) for _ in range(16)] == list(range(16))
    assert not board.lsr() & LSR.DR


def test_an_empty_receiver_reads_its_last_byte_again(board: Board) -> None:
    board.arrive(b"x")
    assert [board.inb(Register.RBR), board.inb(Register.RBR)] == [ord("x")] * 2


def test_a_break_is_a_zero_with_a_framing_error(board: Board) -> None:
    board.uart.receive_break()
    board.clock.advance(CHARACTER)
    assert board.lsr() == LSR.DR | LSR.BI | LSR.FE | LSR.THRE | LSR.TEMT
    assert board.inb(Register.RBR) == 0


@pytest.mark.parametrize("lcr, wrong", [(0x03, False), (0x0B, True), (0x1B, False), (0x2B, True), (0x3B, False)])
def test_a_break_is_a_parity_error_where_the_parity_of_zero_is_one(board: Board, lcr: int, wrong: bool) -> None:
    board.outb(Register.LCR, lcr)
    board.uart.receive_break()
    board.clock.advance(2 * CHARACTER)
    assert bool(board.lsr() & LSR.PE) == wrong


def test_errors_show_when_their_byte_is_at_the_top_of_the_fifo(board: Board) -> None:
    board.use_fifos()
    board.arrive(b"a")
    board.arrive(b"b", LSR.PE)
    assert board.lsr() & (LSR.PE | LSR.FIFO) == LSR.FIFO
    board.inb(Register.RBR)
    assert board.lsr() & (LSR.PE | LSR.FIFO) == LSR.PE | LSR.FIFO
    assert board.lsr() & (LSR.PE | LSR.FIFO) == 0
    assert board.inb(Register.RBR) == ord("b")


def test_resetting_the_receiver_fifo_forgets_the_errors_of_its_bytes_but_not_an_overrun(board: Board) -> None:
    board.use_fifos()
    board.arrive(bytes(17), LSR.PE)
    board.outb(Register.FCR, FCR.ENABLE | FCR.RX_RESET)
    assert board.lsr() == LSR.OE | LSR.THRE | LSR.TEMT


def test_changing_the_fifo_mode_empties_both_fifos(board: Board) -> None:
    board.use_fifos()
    board.arrive(b"abc")
    board.outb(Register.THR, 1, 2, 3)
    board.outb(Register.FCR, 0)
    assert board.lsr() == LSR.THRE
    board.clock.advance(5 * CHARACTER)
    assert [byte for _, byte in board.sent] == [1]


def test_fcr_resets_nothing_while_its_enable_bit_is_written_as_zero(board: Board) -> None:
    board.arrive(b"a")
    board.outb(Register.FCR, FCR.RX_RESET | FCR.TX_RESET)
    assert board.inb(Register.RBR) == ord("a")


@settings(max_examples=60, deadline=None)
@given(fifo=st.booleans(), data=st.binary(max_size=60), pauses=st.lists(st.integers(0, 40 * BIT), max_size=40))
def test_reception_is_a_queue_that_the_line_fills(fifo: bool, data: bytes, pauses: list[int]) -> None:
    board = Board()
    if fifo:
        board.use_fifos()
    board.uart.receive(data)
    arrived = 0
    queue: deque[int] = deque()
    for pause in pauses:
        board.clock.advance(pause)
        overrun = False
        while arrived < len(data) and (arrived + 1) * CHARACTER <= board.clock.now:
            if len(queue) < (16 if fifo else 1):
                queue.append(data[arrived])
            else:
                overrun = True
                if not fifo:
                    queue[0] = data[arrived]
            arrived += 1
        lsr = board.lsr()
        assert (bool(lsr & LSR.DR), bool(lsr & LSR.OE)) == (bool(queue), overrun)
        if queue:
            assert board.inb(Register.RBR) == queue.popleft()


# Interrupts


def test_received_data_interrupts_until_it_is_read(board: Board) -> None:
    board.outb(Register.IER, IER.ERBFI)
    board.arrive(b"a")
    assert (board.irq.level, board.iir()) == (1, IIR.DATA)
    board.inb(Register.RBR)
    assert (board.irq.level, board.iir()) == (0, IIR.NONE)


@pytest.mark.parametrize("index, level", [(0, 1), (1, 4), (2, 8), (3, 14)])
def test_the_trigger_level_says_how_many_bytes_interrupt(board: Board, index: int, level: int) -> None:
    board.use_fifos(index)
    board.outb(Register.IER, IER.ERBFI)
    board.uart.receive(bytes(level))
    board.clock.advance(level * CHARACTER - 1)
    assert board.irq.level == 0
    board.clock.advance(1)
    assert (board.irq.level, board.iir()) == (1, IIR.DATA)
    board.inb(Register.RBR)
    assert (board.irq.level, board.iir()) == (0, IIR.NONE)


def test_bytes_below_the_trigger_level_interrupt_after_four_silent_characters(board: Board) -> None:
    board.use_fifos(3)
    board.outb(Register.IER, IER.ERBFI)
    board.arrive(b"ab")
    board.clock.advance(4 * CHARACTER - 1)
    assert board.irq.level == 0
    board.clock.advance(1)
    assert (board.irq.level, board.iir()) == (1, IIR.TIMEOUT)
    board.inb(Register.RBR)                 # ends the timeout and starts the next
    assert (board.irq.level, board.iir()) == (0, IIR.NONE)
    board.clock.advance(4 * CHARACTER)
    assert board.iir() == IIR.TIMEOUT
    board.inb(Register.RBR)
    board.clock.advance(10 * CHARACTER)
    assert board.iir() == IIR.NONE


def test_a_new_byte_does_not_end_a_timeout(board: Board) -> None:
    board.use_fifos(3)
    board.outb(Register.IER, IER.ERBFI)
    board.arrive(b"a")
    board.clock.advance(4 * CHARACTER)
    board.arrive(b"b")
    assert board.iir() == IIR.TIMEOUT


def test_resetting_the_receiver_fifo_ends_a_timeout(board: Board) -> None:
    board.use_fifos(3)
    board.outb(Register.IER, IER.ERBFI)
    board.arrive(b"a")
    board.clock.advance(4 * CHARACTER)
    board.outb(Register.FCR, FCR.ENABLE | FCR.RX_RESET)
    assert (board.irq.level, board.iir(), board.lsr() & LSR.DR) == (0, IIR.NONE, 0)


def test_there_is_no_timeout_without_fifos(board: Board) -> None:
    board.arrive(b"a")
    board.clock.advance(10 * CHARACTER)
    board.outb(Register.IER, IER.ERBFI)
    assert board.iir() == IIR.DATA


def test_enabling_the_thre_interrupt_while_empty_raises_it_and_reading_iir_ends_it(board: Board) -> None:
    board.outb(Register.IER, IER.ETBEI)
    assert board.irq.level == 1
    assert board.iir() == IIR.THRE
    assert (board.irq.level, board.iir()) == (0, IIR.NONE)
    board.outb(Register.IER, IER.ETBEI)     # enabled already: nothing new
    assert board.irq.level == 0
    board.outb(Register.IER, 0)
    board.outb(Register.IER, IER.ETBEI)
    assert board.irq.level == 1


def test_writing_thr_ends_the_thre_interrupt_until_it_is_empty_again(board: Board) -> None:
    board.outb(Register.THR, 1)
    board.outb(Register.IER, IER.ETBEI)
    assert board.irq.level == 1
    board.outb(Register.THR, 2)
    assert (board.irq.level, board.iir()) == (0, IIR.NONE)
    board.clock.advance(CHARACTER)
    assert (board.irq.level, board.iir()) == (1, IIR.THRE)


def test_a_byte_that_passes_straight_through_makes_a_new_edge(board: Board) -> None:
    board.outb(Register.IER, IER.ETBEI)
    levels: list[int] = []
    board.irq.listeners.append(levels.append)
    board.outb(Register.THR, 1)
    assert levels == [0, 1]


def test_reading_iir_does_not_end_a_thre_interrupt_hidden_by_another(board: Board) -> None:
    board.outb(Register.IER, IER.ETBEI | IER.ERBFI)
    board.arrive(b"a")
    assert board.iir() == IIR.DATA
    board.inb(Register.RBR)
    assert board.iir() == IIR.THRE
    assert board.iir() == IIR.NONE


def test_interrupts_come_in_the_order_of_their_priority(board: Board) -> None:
    board.outb(Register.IER, 0x0F)
    board.uart.set_modem(MSR.CTS, False)
    board.arrive(b"a", LSR.FE)
    assert board.iir() == IIR.LINE_STATUS
    board.lsr()
    assert board.iir() == IIR.DATA
    board.inb(Register.RBR)
    assert board.iir() == IIR.THRE
    assert board.iir() == IIR.MODEM_STATUS
    assert board.irq.level == 1
    board.inb(Register.MSR)
    assert (board.irq.level, board.iir()) == (0, IIR.NONE)


def test_interrupts_that_are_not_enabled_show_nowhere(board: Board) -> None:
    board.use_fifos(3)
    board.uart.set_modem(MSR.CTS, False)
    board.arrive(b"a", LSR.FE)
    board.clock.advance(10 * CHARACTER)
    assert (board.irq.level, board.iir()) == (0, IIR.NONE)
    for enable, code in ((IER.EDSSI, IIR.MODEM_STATUS), (IER.ETBEI, IIR.THRE), (IER.ERBFI, IIR.TIMEOUT),
                         (IER.ELSI, IIR.LINE_STATUS)):
        board.outb(Register.IER, enable)
        assert (board.irq.level, board.iir()) == (1, code)


def test_out2_gates_the_interrupt_line_but_not_iir(board: Board) -> None:
    board.outb(Register.MCR, 0)
    board.outb(Register.IER, IER.ERBFI)
    board.arrive(b"a")
    assert (board.irq.level, board.iir()) == (0, IIR.DATA)
    board.outb(Register.MCR, MCR.OUT2)
    assert board.irq.level == 1


# The modem, and loopback


@pytest.mark.parametrize("pin, delta", [(MSR.CTS, MSR.DCTS), (MSR.DSR, MSR.DDSR), (MSR.DCD, MSR.DDCD)])
def test_a_modem_input_shows_its_level_and_each_change(board: Board, pin: MSR, delta: int) -> None:
    assert board.inb(Register.MSR) == MSR.CTS | MSR.DSR | MSR.DCD          # a far end that is on and ready
    for asserted in (False, True):
        board.uart.set_modem(pin, asserted)
        assert board.inb(Register.MSR) & (pin | delta) == (pin if asserted else 0) | delta
        assert board.inb(Register.MSR) & MSR.DELTAS == 0
        board.uart.set_modem(pin, asserted)
        assert board.inb(Register.MSR) & MSR.DELTAS == 0


def test_only_the_end_of_a_ring_is_a_change(board: Board) -> None:
    board.uart.set_modem(MSR.RI, True)
    assert board.inb(Register.MSR) & 0x4F == MSR.RI
    board.uart.set_modem(MSR.RI, False)
    assert board.inb(Register.MSR) & 0x4F == MSR.TERI


def test_a_modem_change_interrupts_until_msr_is_read(board: Board) -> None:
    board.outb(Register.IER, IER.EDSSI)
    board.uart.set_modem(MSR.DCD, False)
    assert (board.irq.level, board.iir()) == (1, IIR.MODEM_STATUS)
    board.inb(Register.MSR)
    assert board.irq.level == 0


def test_loopback_returns_what_is_sent_and_tells_the_far_end_nothing(board: Board) -> None:
    board.outb(Register.MCR, MCR.LOOP)
    board.outb(Register.THR, 0xAE)
    board.clock.advance(CHARACTER)
    assert board.inb(Register.RBR) == 0xAE
    assert board.sent == []


def test_loopback_does_not_hear_the_far_end(board: Board) -> None:
    board.outb(Register.MCR, MCR.LOOP)
    board.arrive(b"a")
    assert not board.lsr() & LSR.DR


@pytest.mark.parametrize("output, pin", [(MCR.DTR, MSR.DSR), (MCR.RTS, MSR.CTS), (MCR.OUT1, MSR.RI),
                                         (MCR.OUT2, MSR.DCD)])
def test_loopback_joins_the_modem_outputs_to_the_inputs(board: Board, output: int, pin: int) -> None:
    board.outb(Register.MCR, MCR.LOOP)
    board.inb(Register.MSR)
    board.outb(Register.MCR, MCR.LOOP | output)
    assert board.inb(Register.MSR) & MSR.INPUTS == pin
    board.outb(Register.MCR, 0)
    assert board.inb(Register.MSR) & MSR.INPUTS == MSR.CTS | MSR.DSR | MSR.DCD


def test_loopback_interrupts_without_out2(board: Board) -> None:
    board.outb(Register.MCR, MCR.LOOP)
    board.outb(Register.IER, IER.ERBFI)
    board.outb(Register.THR, 1)
    board.clock.advance(CHARACTER)
    assert board.irq.level == 1


# Whatever software does

steps = st.one_of(
    st.tuples(st.just("write"), st.integers(0, 7), st.integers(0, 255)),
    st.tuples(st.just("read"), st.integers(0, 7), st.just(0)),
    st.tuples(st.just("advance"), st.integers(0, 12 * CHARACTER), st.just(0)),
    st.tuples(st.just("receive"), st.integers(0, 20), st.integers(0, 0x1F)),
    st.tuples(st.just("modem"), st.sampled_from([MSR.CTS, MSR.DSR, MSR.RI, MSR.DCD]), st.integers(0, 1)),
    st.tuples(st.just("reset"), st.just(0), st.just(0)),
)


@settings(max_examples=150, deadline=None)
@given(history=st.lists(steps, max_size=60))
def test_the_line_is_high_exactly_while_iir_shows_an_interrupt_that_the_gate_lets_through(
    history: list[tuple[str, int, int]],
) -> None:
    board = Board()
    for what, number, value in history:
        if what == "write":
            board.outb(number, value)
        elif what == "read":
            board.inb(number)
        elif what == "advance":
            board.clock.advance(number)
        elif what == "receive":
            board.uart.receive(bytes(number), value)
        elif what == "modem":
            board.uart.set_modem(MSR(number), bool(value))
        else:
            board.uart.reset()
        level = board.irq.level
        gate = board.inb(Register.MCR) & (MCR.OUT2 | MCR.LOOP)
        assert level == (1 if gate and not board.inb(Register.IIR) & 1 else 0)
        assert not board.lsr() & LSR.TEMT or board.uart.unsent() == b""


@settings(max_examples=40, deadline=None)
@given(frequency=st.integers(2_000_000, 4_000_000_000), divisor=st.integers(1, 0xFFFF), start=st.integers(0, 10**9))
def test_any_processor_frequency_gives_the_character_time_to_a_tick(frequency: int, divisor: int, start: int) -> None:
    board = Board(frequency)
    board.set_divisor(divisor)
    board.clock.advance(start)
    board.outb(Register.THR, 1)
    board.clock.advance(1 << 40)
    exact = Fraction(160 * divisor * frequency, 1_843_200)
    assert exact - Fraction(frequency, 1_843_200) <= board.sent[0][0] - start <= exact + 1
