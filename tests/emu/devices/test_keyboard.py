"""The 8042 and its keyboard, through ports 60h and 64h, the interrupt, the reset pin and the A20 gate."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emu.bus import Line, Space
from emu.clock import NEVER, Clock
from emu.devices.keyboard import CONTROLLER_DELAY, KEYBOARD_DELAY, Command, Keyboard, KeyboardCommand

DATA, COMMAND = 0x60, 0x64
MICROSECOND = 100                   # cycles
OBF, SYS, A2, UNLOCKED = 0x01, 0x04, 0x08, 0x10
AS_A_BIOS_LEAVES_IT = 0x65          # command byte: translating, auxiliary off, system flag, interrupt on


class Board:
    """The controller at its ports, and what software does with it."""

    def __init__(self) -> None:
        self.clock = Clock(1_000_000 * MICROSECOND)
        self.irq, self.a20 = Line("irq1"), Line("a20")
        self.resets = 0
        self.keyboard = Keyboard(self.clock, self.irq, self.count_reset, self.a20)
        self.ports = Space("port", 1 << 16)
        self.ports.claim(DATA, 1, self.keyboard.data, "keyboard data")
        self.ports.claim(COMMAND, 1, self.keyboard.command, "keyboard command")

    def count_reset(self) -> None:
        self.resets += 1

    def command(self, command: int, *data: int) -> None:
        self.ports.write(COMMAND, command, 1)
        for value in data:
            self.ports.write(DATA, value, 1)

    def send(self, *values: int) -> None:
        """To the keyboard, collecting nothing in between."""
        for value in values:
            self.ports.write(DATA, value, 1)

    def status(self) -> int:
        return self.ports.read(COMMAND, 1)

    def collect(self) -> list[int]:
        """Read port 60h for as long as the output buffer fills up again."""
        values = []
        while self.status() & OBF or self.clock.deadline != NEVER:
            if self.status() & OBF:
                values.append(self.ports.read(DATA, 1))
            else:
                self.clock.advance(self.clock.deadline - self.clock.now)
        return values

    def ask(self, command: int) -> int:
        """The controller's answer to a command."""
        self.command(command)
        self.clock.advance(CONTROLLER_DELAY * MICROSECOND)
        assert self.status() & OBF
        return self.ports.read(DATA, 1)


@pytest.fixture
def board() -> Board:
    return Board()


# The controller


def test_power_on_is_as_a_bios_leaves_it(board: Board) -> None:
    assert board.status() == SYS | UNLOCKED
    assert board.ask(Command.READ_COMMAND_BYTE) == AS_A_BIOS_LEAVES_IT
    assert (board.a20.level, board.irq.level, board.resets) == (1, 0, 0)


def test_the_status_tells_a_command_from_data(board: Board) -> None:
    board.command(Command.ENABLE_KEYBOARD)
    assert board.status() & A2
    board.send(KeyboardCommand.ECHO)
    assert not board.status() & A2


def test_the_command_byte_reads_back_and_shows_its_system_flag_in_the_status(board: Board) -> None:
    board.command(Command.WRITE_COMMAND_BYTE, 0x20)
    assert board.ask(Command.READ_COMMAND_BYTE) == 0x20
    assert not board.status() & SYS
    board.command(Command.WRITE_COMMAND_BYTE, 0x24)
    assert board.status() & SYS


@pytest.mark.parametrize("command, answer", [(Command.SELF_TEST, 0x55), (Command.TEST_KEYBOARD, 0x00),
                                             (Command.TEST_AUX, 0x00)])
def test_the_tests_pass(board: Board, command: int, answer: int) -> None:
    assert board.ask(command) == answer


def test_the_self_test_sets_the_system_flag(board: Board) -> None:
    board.command(Command.WRITE_COMMAND_BYTE, 0x20)
    board.ask(Command.SELF_TEST)
    assert board.status() & SYS


@pytest.mark.parametrize("off, on, bit", [(Command.DISABLE_KEYBOARD, Command.ENABLE_KEYBOARD, 0x10),
                                          (Command.DISABLE_AUX, Command.ENABLE_AUX, 0x20)])
def test_an_interface_goes_off_and_on_in_the_command_byte(board: Board, off: int, on: int, bit: int) -> None:
    board.command(off)
    assert board.ask(Command.READ_COMMAND_BYTE) & bit
    board.command(on)
    assert not board.ask(Command.READ_COMMAND_BYTE) & bit


def test_an_answer_comes_after_its_delay(board: Board) -> None:
    board.command(Command.SELF_TEST)
    board.clock.advance(CONTROLLER_DELAY * MICROSECOND - 1)
    assert not board.status() & OBF
    board.clock.advance(1)
    assert board.status() & OBF


def test_a_byte_written_to_the_output_buffer_comes_back(board: Board) -> None:
    board.command(Command.WRITE_OUTPUT_BUFFER, 0xA5)
    assert board.collect() == [0xA5]


def test_unknown_commands_and_an_absent_auxiliary_device_answer_nothing(board: Board) -> None:
    for command in (0x00, 0x9F, 0xB0, 0xC5, 0xE7):
        board.command(command)
    board.command(Command.WRITE_AUX, 0xFF)
    board.command(Command.WRITE_AUX_BUFFER, 0x55)
    assert board.collect() == []


def test_a_new_command_cancels_the_wait_for_data(board: Board) -> None:
    board.command(Command.WRITE_COMMAND_BYTE)
    board.command(Command.ENABLE_KEYBOARD)
    board.send(KeyboardCommand.ECHO)
    assert board.collect() == [0xEE]
    assert board.ask(Command.READ_COMMAND_BYTE) == AS_A_BIOS_LEAVES_IT


# Reset and A20


def test_the_output_port_gates_a20(board: Board) -> None:
    board.command(Command.WRITE_OUTPUT_PORT, 0xDD)
    assert (board.a20.level, board.ask(Command.READ_OUTPUT_PORT) & 0x03) == (0, 0x01)
    board.command(Command.WRITE_OUTPUT_PORT, 0xDF)
    assert (board.a20.level, board.ask(Command.READ_OUTPUT_PORT) & 0x03) == (1, 0x03)
    assert board.resets == 0


def test_the_output_port_resets_when_its_bit_0_is_written_as_zero(board: Board) -> None:
    board.command(Command.WRITE_OUTPUT_PORT, 0xDE)
    assert (board.resets, board.a20.level) == (1, 1)


def test_the_output_port_shows_the_interrupt(board: Board) -> None:
    assert not board.ask(Command.READ_OUTPUT_PORT) & 0x10
    board.command(Command.WRITE_OUTPUT_BUFFER, 1)
    board.clock.advance(CONTROLLER_DELAY * MICROSECOND)
    board.command(Command.READ_OUTPUT_PORT)
    first, second = board.collect()
    assert (first, second & 0x10) == (1, 0x10)


@pytest.mark.parametrize("command", range(0xF0, 0x100))
def test_a_pulse_command_resets_exactly_if_its_bit_0_is_zero(board: Board, command: int) -> None:
    board.command(command)
    assert board.resets == (0 if command & 1 else 1)


def test_reset_forgets_everything_under_way(board: Board) -> None:
    board.command(Command.WRITE_OUTPUT_PORT, 0xDD)
    board.keyboard.press(b"\x1e\x9e")
    board.command(Command.SELF_TEST)
    board.clock.advance(CONTROLLER_DELAY * MICROSECOND)
    board.keyboard.reset()
    assert (board.status(), board.irq.level, board.a20.level) == (SYS | UNLOCKED, 0, 1)
    assert board.collect() == []


# The keyboard


@pytest.mark.parametrize("sent, replies", [
    ([0xFF], [0xFA, 0xAA]),                             # reset: understood, self test passed
    ([0xF4], [0xFA]), ([0xF5], [0xFA]),                 # enable, disable
    ([0xEE], [0xEE]),                                   # echo
    ([0xF2], [0xFA, 0xAB, 0x41]),                       # identify, as translation delivers it
    ([0x00], [0xFE]), ([0xE0], [0xFE]),                 # unknown: resend
])
def test_the_keyboard_answers_its_commands(board: Board, sent: list[int], replies: list[int]) -> None:
    board.send(*sent)
    assert board.collect() == replies


def test_without_translation_the_keyboard_identifies_itself_as_ab_83(board: Board) -> None:
    board.command(Command.WRITE_COMMAND_BYTE, 0x25)
    board.send(KeyboardCommand.IDENTIFY)
    assert board.collect() == [0xFA, 0xAB, 0x83]


def test_leds_and_rate_take_a_data_byte_and_acknowledge_both(board: Board) -> None:
    for command, value in ((KeyboardCommand.SET_LEDS, 0x05), (KeyboardCommand.SET_RATE, 0x20)):
        board.send(command)
        assert board.collect() == [0xFA]
        board.send(value)
        assert board.collect() == [0xFA]
    assert (board.keyboard.leds, board.keyboard.rate) == (0x05, 0x20)


def test_a_command_in_place_of_data_is_obeyed(board: Board) -> None:
    board.send(KeyboardCommand.SET_LEDS)
    assert board.collect() == [0xFA]
    board.send(KeyboardCommand.ECHO)
    assert board.collect() == [0xEE]
    assert board.keyboard.leds == 0


def test_resend_repeats_the_last_byte(board: Board) -> None:
    board.send(KeyboardCommand.RESET)
    assert board.collect() == [0xFA, 0xAA]
    board.send(KeyboardCommand.RESEND)
    assert board.collect() == [0xAA]


def test_pressed_keys_arrive_in_order_a_delay_apart(board: Board) -> None:
    board.keyboard.press(b"\x1e\x9e")
    for scancode in b"\x1e\x9e":
        board.clock.advance(KEYBOARD_DELAY * MICROSECOND - 1)
        assert not board.status() & OBF
        board.clock.advance(1)
        assert board.ports.read(DATA, 1) == scancode


def test_keys_pressed_later_do_not_hold_up_the_one_under_way(board: Board) -> None:
    board.keyboard.press(b"\x1e")
    board.clock.advance(KEYBOARD_DELAY * MICROSECOND // 2)
    board.keyboard.press(b"\x9e")
    board.clock.advance(KEYBOARD_DELAY * MICROSECOND // 2)
    assert board.status() & OBF


def test_a_new_command_silences_the_replies_to_the_last_and_takes_its_own_time(board: Board) -> None:
    board.send(KeyboardCommand.IDENTIFY)
    board.clock.advance(KEYBOARD_DELAY * MICROSECOND // 2)
    board.send(KeyboardCommand.ECHO)
    board.clock.advance(KEYBOARD_DELAY * MICROSECOND - 1)
    assert not board.status() & OBF
    assert board.collect() == [0xEE]


def test_the_next_key_waits_until_the_last_is_read(board: Board) -> None:
    board.keyboard.press(b"\x1e\x9e")
    board.clock.advance(100 * KEYBOARD_DELAY * MICROSECOND)
    assert board.clock.deadline == NEVER
    assert board.collect() == [0x1E, 0x9E]


def test_an_empty_output_buffer_reads_its_last_byte_again(board: Board) -> None:
    board.keyboard.press(b"\x1e")
    assert board.collect() == [0x1E]
    assert board.ports.read(DATA, 1) == 0x1E


def test_the_controller_answers_ahead_of_a_key_under_way(board: Board) -> None:
    board.keyboard.press(b"\x1e")
    board.clock.advance(KEYBOARD_DELAY * MICROSECOND // 2)
    board.command(Command.SELF_TEST)
    assert board.collect() == [0x55, 0x1E]


def test_replies_come_ahead_of_keys(board: Board) -> None:
    board.keyboard.press(b"\x1e")
    board.send(KeyboardCommand.ECHO)
    assert board.collect() == [0xEE, 0x1E]


def test_a_disabled_interface_holds_the_keys_back(board: Board) -> None:
    board.keyboard.press(b"\x1e")
    board.clock.advance(KEYBOARD_DELAY * MICROSECOND // 2)
    board.command(Command.DISABLE_KEYBOARD)
    assert board.collect() == []
    board.command(Command.ENABLE_KEYBOARD)
    assert board.collect() == [0x1E]


def test_sending_to_the_keyboard_enables_its_interface(board: Board) -> None:
    board.command(Command.DISABLE_KEYBOARD)
    board.send(KeyboardCommand.ECHO)
    assert board.collect() == [0xEE]
    assert board.ask(Command.READ_COMMAND_BYTE) == AS_A_BIOS_LEAVES_IT


def test_a_keyboard_that_does_not_scan_drops_its_keys(board: Board) -> None:
    board.keyboard.press(b"\x1e")
    board.send(KeyboardCommand.DISABLE)
    board.keyboard.press(b"\x30")
    assert board.collect() == [0xFA]
    board.send(KeyboardCommand.ENABLE)
    board.keyboard.press(b"\x2e")
    assert board.collect() == [0xFA, 0x2E]


# The interrupt


def test_a_key_interrupts_until_it_is_read(board: Board) -> None:
    board.keyboard.press(b"\x1e\x9e")
    for _ in range(2):
        assert board.irq.level == 0
        board.clock.advance(KEYBOARD_DELAY * MICROSECOND)
        assert board.irq.level == 1
        board.ports.read(DATA, 1)


def test_without_its_enable_the_buffer_fills_silently(board: Board) -> None:
    board.command(Command.WRITE_COMMAND_BYTE, 0x64)
    board.keyboard.press(b"\x1e")
    board.clock.advance(KEYBOARD_DELAY * MICROSECOND)
    assert (board.status() & OBF, board.irq.level) == (OBF, 0)
    board.command(Command.WRITE_COMMAND_BYTE, 0x65)
    assert board.irq.level == 1


# Whatever software does

steps = st.one_of(
    st.tuples(st.just("command"), st.one_of(st.integers(0, 255), st.sampled_from(list(Command)))),
    st.tuples(st.just("send"), st.one_of(st.integers(0, 255), st.sampled_from(list(KeyboardCommand)))),
    st.tuples(st.just("read"), st.just(0)),
    st.tuples(st.just("press"), st.integers(0, 5)),
    st.tuples(st.just("advance"), st.integers(0, 2 * KEYBOARD_DELAY * MICROSECOND)),
)


@settings(max_examples=150, deadline=None)
@given(history=st.lists(steps, max_size=60))
def test_the_interrupt_is_obf_and_its_enable_whatever_software_does(history: list[tuple[str, int]]) -> None:
    board = Board()
    for what, value in history:
        if what == "command":
            board.command(value)
        elif what == "send":
            board.send(value)
        elif what == "read":
            board.ports.read(DATA, 1)
        elif what == "press":
            board.keyboard.press(bytes(value))
        else:
            board.clock.advance(value)
        enabled = board.keyboard.command_byte & 1
        assert board.irq.level == (1 if board.status() & OBF and enabled else 0)
    board.command(Command.WRITE_COMMAND_BYTE, AS_A_BIOS_LEAVES_IT)
    board.collect()                                     # ends: nothing is stuck and nothing repeats
    assert board.ask(Command.SELF_TEST) == 0x55


@settings(max_examples=60, deadline=None)
@given(history=st.lists(st.one_of(st.binary(max_size=4), st.integers(0, 3 * KEYBOARD_DELAY * MICROSECOND)),
                        max_size=40))
def test_keys_are_a_queue(history: list[bytes | int]) -> None:
    board = Board()
    pressed, collected = bytearray(), bytearray()
    for step in history:
        if isinstance(step, bytes):
            board.keyboard.press(step)
            pressed += step
        else:
            board.clock.advance(step)
            if board.status() & OBF:
                collected.append(board.ports.read(DATA, 1))
    collected += bytes(board.collect())
    assert collected == pressed
