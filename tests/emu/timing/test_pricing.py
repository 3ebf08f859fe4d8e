"""The price of a block: what adds up, what is priced at run time, and what it may depend on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snippets import START, code, cycles, pricer

from emu.decoding import UNKNOWN, Instruction, decode_detail, pad
from emu.timing.classes import transition_of
from emu.timing.pricing import Price, Pricer
from emu.timing.profile import load_profile, profiles
from emu.timing.timing import Timing
from emu.timing.vocabulary import CLASSES

PROCESSORS = [name for name in profiles() if name != "unit"]


def timing(profile: str) -> Timing:
    found = load_profile(profile).timing
    assert found is not None
    return found


def price(profile: str, text: str) -> Price:
    return pricer(profile).price(code(text))


def test_a_unit_profile_counts_instructions() -> None:
    assert price("unit", "div ecx; cli; nop") == Price((1, 2, 3), (0, 0, 0), (0, 0, 0))


@pytest.mark.parametrize("profile", profiles())
def test_no_instructions_cost_nothing(profile: str) -> None:
    assert pricer(profile).price([]) == Price((), (), ())


# Transitions

@pytest.mark.parametrize("profile", PROCESSORS)
@pytest.mark.parametrize(("text", "name"), [
    ("cli", "cli"), ("mov cr3, eax", "mov_cr3"), ("rdtsc", "rdtsc"), ("cpuid", "cpuid"), ("lgdt [ebx]", "lgdt"),
    ("mov ds, ax", "mov_sreg"), ("popfd", "popf"), ("invlpg [ebx]", "invlpg"), ("in al, dx", "in"), ("hlt", "hlt")])
def test_a_transition_costs_what_is_published_of_it(profile: str, text: str, name: str) -> None:
    published = timing(profile).transitions[name].typical
    found = price(profile, text)
    assert abs(found.cycles[0] - published) <= 0.5
    assert found.transitions == found.cycles


def test_a_ledger_tells_transitions_from_the_pipeline() -> None:
    found = price("p5-166", "inc eax; cli; mul ebx; mov cr3, eax")
    assert (found.cycles, found.transitions) == ((1, 8, 18, 39), (0, 7, 7, 28))


@pytest.mark.parametrize("profile", PROCESSORS)
@pytest.mark.parametrize("text", ["int 0x80", "int3", "into", "iretd", "retf", "retf 8", "rep movsd", "repne scasb",
                                  "rep stosb", "rep insd", "rep outsb"])
def test_what_is_decided_at_run_time_costs_nothing_here(profile: str, text: str) -> None:
    assert cycles(profile, text) == (0,)
    first, then, last = cycles(profile, f"imul eax, ecx; {text}; imul eax, ecx")
    assert then == first < last


def test_far_branches_are_decided_at_run_time() -> None:
    for far in (b"\x9a\0\0\0\0\x08\0", b"\xea\0\0\0\0\x08\0", b"\xff\x1b", b"\xff\x2b"):
        assert pricer("p3-500").price(decode_detail(far, START)).cycles == (0,)


# Blocks

def test_a_block_that_takes_time_takes_a_cycle_at_least() -> None:
    assert {cycles(profile, "nop") for profile in PROCESSORS} == {(1,)}


def test_figures_of_zero_do_not_stop_the_clock(values: Any, write: Any) -> None:
    content = values("p5-166")
    content["pairs"].update({name: 0 for name in content["pairs"] if name not in ("source", "certainty")})
    assert Pricer(load_profile(write(content))).price(code("start: nop; nop; jmp start")).cycles == (0, 0, 1)
    content["instructions"]["jmp_near"]["throughput"] = 0
    assert Pricer(load_profile(write(content))).price(code("start: nop; nop; jmp start")).cycles == (0, 0, 1)


def test_a_loop_is_what_jumps_to_its_own_start() -> None:
    body = "; ".join(["add eax, ebx"] * 9)
    inside, outside = f"start: {body}; jnz start", f"nop\nstart: {body}; jnz start"
    assert cycles("p3-500", inside)[-1] == 9
    assert cycles("p3-500", outside)[-1] < 9


@pytest.mark.parametrize("profile", PROCESSORS)
def test_what_capstone_does_not_know_is_priced_as_rare(profile: str) -> None:
    """And what is not decoded yet costs nothing."""
    unknown = bytes.fromhex("90 0f04")
    instructions = pad(decode_detail(unknown, START), unknown, START)
    assert [each.mnemonic for each in instructions][-2:] == [UNKNOWN, UNKNOWN]
    found = pricer(profile).price(instructions).cycles
    assert found[-1] == found[-2]
    assert found[-2] >= timing(profile).instructions["other"].throughput.typical


def test_a_class_that_the_processor_lacks_is_priced_as_rare() -> None:
    assert cycles("p5-166", "cmovz eax, ebx") == cycles("p5-166", "aaa")
    assert cycles("p3-500", "pause") == cycles("p3-500", "nop")


@pytest.mark.parametrize("profile", PROCESSORS)
def test_micro_ops_are_those_of_the_classes(profile: str) -> None:
    uops = timing(profile).uops
    expected = [uops[name].typical if uops else 0 for name in ("alu_rr", "push", "mov_load")]
    assert price(profile, "add eax, ebx; push eax; mov eax, [ebx]").uops == (
        expected[0], expected[0] + expected[1], sum(expected))


def test_a_memory_operand_is_a_micro_op_more_if_the_class_has_none() -> None:
    assert price("p3-500", "imul eax, ebx; imul eax, [ebx]").uops == (1, 3)
    assert price("k7-550", "imul eax, ebx; imul eax, [ebx]").uops == (1, 2)       # a macro-op has its load in it


# Whatever the bytes are

@pytest.mark.parametrize("profile", profiles())
@settings(max_examples=80, deadline=None)
@given(data=st.binary(min_size=1, max_size=60))
def test_any_code_has_a_price_that_only_grows(profile: str, data: bytes) -> None:
    instructions = pad(decode_detail(data, START), data, START)
    found = pricer(profile).price(instructions)
    for column in (found.cycles, found.transitions, found.uops):
        assert len(column) == len(instructions)
        assert all(type(value) is int for value in column)
        assert list(column) == sorted(column)
        assert not column or column[0] >= 0
    assert all(part <= whole for part, whole in zip(found.transitions, found.cycles, strict=True))


@settings(max_examples=40, deadline=None)
@given(data=st.binary(min_size=1, max_size=40), place=st.integers(0, 0xFFFF).map(lambda page: page << 12))
def test_a_price_depends_on_nothing_but_the_instructions(data: bytes, place: int) -> None:
    for profile in PROCESSORS:
        here, there = (pricer(profile).price(decode_detail(data, address)) for address in (START, place))
        assert here == there == pricer(profile).price(decode_detail(data, START))


@pytest.mark.parametrize("profile", PROCESSORS)
def test_every_opcode_costs_something_unless_it_is_decided_at_run_time_or_refused(profile: str) -> None:
    priced = {None, *timing(profile).transitions}
    for escape in (b"", b"\x0f"):
        for opcode in range(256):
            for modrm in (*range(0x03, 0x40, 8), *range(0xC3, 0x100, 8)):
                for each in decode_detail(escape + bytes((opcode, modrm)) + bytes(8), START)[:1]:
                    (found,) = pricer(profile).price([each]).cycles
                    assert (found == 0) == (transition_of(each) not in priced), each


def test_every_class_has_a_price_on_every_processor() -> None:
    for profile in PROCESSORS:
        assert {name for name, term in CLASSES.items() if not term.feature} <= timing(profile).instructions.keys()


def test_an_instruction_without_detail_is_priced_by_its_text() -> None:
    (full,) = code("imul eax, ebx")
    assert pricer("p5-166").price([Instruction(*full[:4])]) == pricer("p5-166").price([full])
