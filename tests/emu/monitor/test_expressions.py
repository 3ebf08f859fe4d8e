"""The little language of conditions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.machine import Machine
from emu.monitor.stops.expressions import ExpressionError, evaluate

BARE = Machine()


@pytest.fixture(scope="module")
def machine() -> Machine:
    """`preempt` in its first tick."""
    machine = Machine.boot("preempt")
    machine.run(until="timer_interrupt")
    return machine


@pytest.mark.parametrize(("text", "value"), [
    ("1 + 2 * 3", 7), ("(1 + 2) * 3", 9), ("1 | 2 ^ 2 & 3", 1), ("10 - 3 - 2", 5), ("7 / 2 % 2", 1), ("1 << 4 >> 2", 4),
    ("1 < 2 == 1", 1), ("!0 && !!5", 1), ("0 || 0", 0), ("-1", 0xFFFFFFFF), ("~0xF0", 0xFFFFFF0F), ("'a' + 1", 98),
    (r"'\n'", 10), ("0x10", 16), ("2 - 3", (1 << 64) - 1), ("cpl", 0), ("1 && 0 || 1", 1), ("3 >= 3", 1)])
def test_operators_bind_as_in_c(machine: Machine, text: str, value: int) -> None:
    assert evaluate(text, machine) == value


def test_names_are_registers_symbols_and_what_the_machine_counts(machine: Machine) -> None:
    registers, counts = machine.cpu.registers, machine.cpu.state
    for text, value in (("eax", registers.eax), ("EAX", registers.eax), ("$esp", registers.esp), ("ax", registers.eax
                        & 0xFFFF), ("ah", registers.eax >> 8 & 0xFF), ("eip", machine.cpu.linear_eip), ("cr3",
                        registers.cr3), ("cycle", counts.cycles), ("instructions", counts.instructions), ("thread", 1),
                        ("clock_ticks", machine.address("clock_ticks")), ("ping:main", 0x08048000)):
        assert evaluate(text, machine) == value, text


def test_memory_is_read_in_doublewords_words_and_bytes(machine: Machine) -> None:
    data = machine.cpu.read_linear(machine.cpu.registers.esp, 4)
    assert evaluate("[esp]", machine) == int.from_bytes(data, "little")
    assert evaluate("word [esp + 2]", machine) == int.from_bytes(data[2:], "little")
    assert evaluate("byte [[esp] - [esp] + esp]", machine) == data[0]


@pytest.mark.parametrize(("text", "words"), [
    ("", "something is missing"), ("1 +", "something is missing"), ("(1", "is missing"), ("1 2", "not expected"),
    ("nobody", "neither a register nor a symbol"), ("[0]", "no memory at 0x0"), ("1 / 0", "division by zero"),
    ("eax = 5", "cannot read '= 5'"), ("(" * 5000, "more than 300 parts"), ("a;b", "cannot read"),
    ("(" * 100, "too many brackets"),
    ("__import__", "neither"), ("nope:main", "neither")])
def test_what_cannot_be_read_is_one_line(machine: Machine, text: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=words):
        evaluate(text, machine)


@given(st.text(alphabet="0123456789abx+-*/%&|^<>=!~()[] '\\$:.", max_size=40))
def test_no_text_does_anything_but_have_a_value_or_an_error(text: str) -> None:
    try:
        assert 0 <= evaluate(text, BARE) < 1 << 64
    except ExpressionError as error:
        assert "\n" not in str(error)
