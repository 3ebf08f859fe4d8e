"""P6, K7 and NetBurst: what bounds a block, and how much of it is hidden by what follows."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snippets import code, cycles, each, pricer

from emu.timing.levels import LEVELS
from emu.timing.pricing import Pricer
from emu.timing.profile import load_profile

P3, K7, P4, PD = "p3-500", "k7-550", "p4-1800", "pd-3000"
PROFILES = (P3, "p2-450", K7, P4, PD)


def cost(profile: str, text: str) -> int:
    return cycles(profile, text)[-1]


def repeat(text: str, times: int) -> str:
    return "; ".join([text] * times)


# The front end

@pytest.mark.parametrize(("profile", "text", "expected"), [
    (P3, "mov eax, ebx; mov ecx, ebx", 1),              # two ALUs
    (P3, "mov eax, [ebx]; mov ecx, edx; inc esi", 1),   # three decoders
    (P3, "push eax", 1),                                # three micro-ops, by the first decoder only
    (K7, "mov eax, [ebx]; mov ecx, edx; inc esi", 1),
    (P4, "mov eax, [ebx]; mov ecx, edx; inc esi", 1)])
def test_a_cycle_takes_as_many_as_are_issued_at_a_time(profile: str, text: str, expected: int) -> None:
    assert each(profile, text) == pytest.approx(expected, abs=0.15)


def test_only_the_first_decoder_of_p6_makes_more_than_one_micro_op() -> None:
    """Two micro-ops each, six in all: issued in two cycles, decoded in three."""
    assert each(P3, "pop {a}; mov {m}, {b}; cmovz {n}, ebp") == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize(("profile", "text", "expected"), [
    (P3, "cmpxchg8b qword ptr {m}; mov {a}, ebp; mov {b}, ebp; mov {a}, ebp", 8 + 1),
    (K7, "bsf {a}, ebp; mov {b}, ebp; mov {a}, ebp; mov {b}, ebp", 7 + 1),
    (P4, "cmpxchg {n}, ebp; mov {b}, ebp; mov {a}, ebp; mov {b}, ebp", 9 + 1)])
def test_microcode_is_decoded_alone(profile: str, text: str, expected: int) -> None:
    assert each(profile, text) == pytest.approx(expected, abs=0.1)


def test_a_division_lets_others_pass_while_it_is_under_way() -> None:
    for profile in PROFILES:
        assert each(profile, "div ecx; " + repeat("mov ebx, ebp", 6)) == each(profile, "div ecx")


# Units and dependences

def test_what_does_not_wait_for_each_other_shares_the_units() -> None:
    assert each(P3, "mov {a}, {m}; mov {b}, ebp; mov {n}, ebp") == pytest.approx(1, abs=0.05)       # a load, two moves
    assert each(P3, "imul {a}, ebp, 3; shl {b}, 1") == pytest.approx(2, abs=0.05)                   # the same port


@pytest.mark.parametrize(("profile", "text", "expected"), [
    (P3, "add eax, ebx; adc ecx, edx", 2),              # ADC waits for the carry, and the next for its own result
    (P3, "mov eax, [eax]; add eax, ebx", 4), (K7, "mov eax, [eax]; add eax, ebx", 4),
    (P4, "mov eax, [eax]; add eax, ebx", 2.5), (PD, "mov eax, [eax]; add eax, ebx", 5),
    (P3, "imul eax, ebx; add eax, ecx", 5), (P3, "mov eax, ebx; imul eax, ecx; mov ebx, eax", 6),
    (P3, "mov al, cl; add eax, ebx", 2)])               # AL keeps the rest of EAX
def test_a_chain_takes_the_sum_of_its_latencies(profile: str, text: str, expected: float) -> None:
    assert each(profile, text) == pytest.approx(expected, abs=0.05)


def test_a_value_that_is_overwritten_breaks_the_chain() -> None:
    assert each(P3, "imul eax, ebx; mov eax, ebp") < each(P3, "imul eax, ebx") / 2


def test_a_zeroed_register_breaks_the_chain_on_k7_and_netburst_but_not_on_p6() -> None:
    for profile, waits in ((P3, True), ("p2-450", True), (K7, False), (P4, False), (PD, False)):
        assert (each(profile, "imul eax, ebx; xor eax, eax") >= each(profile, "imul eax, ebx")) == waits


@pytest.mark.parametrize("profile", PROFILES)
def test_a_load_waits_for_the_store_to_its_place(profile: str) -> None:
    same, other = "mov [ebx], eax; mov eax, [ebx]", "mov [ebx], eax; mov eax, [ebx + 4]"
    assert each(profile, same) > each(profile, other)
    changed = "mov [ebx], eax; add ebx, 4; mov eax, [ebx]"      # nobody knows that this is another place
    assert each(profile, changed) < each(profile, same)


@pytest.mark.parametrize("profile", PROFILES)
def test_pushes_and_pops_are_stores_and_loads_at_places_that_are_known(profile: str) -> None:
    through = each(profile, "push eax; pop eax")
    assert through >= load_forward(profile)
    assert each(profile, "push eax; push ecx; pop ecx; pop eax") >= load_forward(profile)
    assert each(profile, "push eax; mov eax, [esp]; add esp, 4") >= load_forward(profile)
    assert each(profile, "push eax; pop ecx") < through


def load_forward(profile: str) -> float:
    timing = load_profile(profile).timing
    assert timing is not None and timing.pipeline.store_forward is not None
    return timing.pipeline.store_forward.typical


# What follows hides

def test_a_block_of_simple_instructions_costs_what_issuing_them_costs() -> None:
    chain = repeat("add eax, ebx", 9)
    assert cost(P3, chain) == 5                         # two ALUs
    assert cost(P3, "start: " + chain + "; jmp start") == 9


@pytest.mark.parametrize(("profile", "window"), [(P3, 40 / 3), (K7, 72 / 3), (P4, 126 / 3)])
def test_of_a_long_chain_what_the_window_does_not_hide_is_paid(profile: str, window: float) -> None:
    chain = repeat("mov eax, [eax]", 100)
    assert cost(profile, chain) == pytest.approx(100 * each(profile, "mov eax, [eax]") - window, abs=1)


def test_before_what_empties_the_pipeline_nothing_is_hidden() -> None:
    chain = repeat("mov eax, [eax]", 4)
    assert cost(P3, chain) == 4
    assert cycles(P3, chain + "; mov cr2, eax")[3] == 12
    assert cycles(P3, chain + "; int 0x80")[3] == 12
    assert cycles(P3, chain + "; cli")[3] == 4


def test_a_block_longer_than_the_window_waits_for_its_beginning() -> None:
    """Behind a division, forty micro-ops are taken in; what is beyond them waits for it to retire."""
    assert cost(P3, "div ecx") == 39 - 13
    assert cost(P3, "div ecx; " + repeat("mov ebx, ebp", 20)) == pytest.approx(39 + (20 - 40) / 3, abs=1)
    assert cost(P3, "div ecx; " + repeat("mov ebx, ebp", 200)) == pytest.approx(39 + (200 - 40) / 2 - 40 / 3, abs=1)


# Whatever the instructions are

PLAIN = [
    "mov eax, ebx", "mov ebx, [eax + 4]", "add [ecx], eax", "imul ecx, edx", "push eax", "pop edx", "div ecx",
    "shl eax, cl", "adc edx, eax", "cmp eax, [ebx]", "lea edx, [eax + ecx*2]", "call eax", "setz al", "xchg eax, ecx",
    "movsd", "pushad", "bt [ebx], eax", "lock inc dword ptr [ebx]", "nop", "fadd st(1), st(0)", "leave", "inc esi"]
LINES = st.sampled_from([*PLAIN, "cli", "mov cr3, eax"])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PROFILES), st.lists(LINES, min_size=1, max_size=14), st.integers(1, 14))
def test_a_longer_block_costs_no_less(profile: str, lines: list[str], length: int) -> None:
    assert cost(profile, "; ".join(lines[:length])) <= cost(profile, "; ".join(lines))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PROFILES), st.lists(LINES, min_size=1, max_size=14))
def test_no_block_is_issued_faster_than_the_width(profile: str, lines: list[str]) -> None:
    price = pricer(profile).price(code("; ".join(lines)))
    if not price.transitions[-1]:
        assert price.cycles[-1] >= price.uops[-1] // 3


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PROFILES), st.lists(st.sampled_from(PLAIN), min_size=1, max_size=8))
def test_a_loop_costs_at_least_what_issuing_it_costs_and_at_most_all_latencies(profile: str, lines: list[str]) -> None:
    price = cost(profile, "start: " + "; ".join(lines) + "; jmp start")
    alone = [cost(profile, f"{line}; int 0x80") for line in lines]
    assert price <= sum(alone) + len(lines) * (load_forward(profile) + 1) + 3
    assert price >= max(1, cost(profile, "; ".join(["nop"] * len(lines))) // 2)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PROFILES), st.lists(LINES, min_size=1, max_size=10), st.booleans())
def test_a_slower_level_is_no_faster(profile: str, lines: list[str], repeats: bool) -> None:
    text = "start: " + "; ".join(lines) + "; jmp start" * repeats
    low, typical, high = (level.price(code(text)).cycles[-1] for level in levels(profile))
    assert low <= typical <= high


@cache
def levels(profile: str) -> list[Pricer]:
    return [Pricer(load_profile(profile).at(level)) for level in LEVELS]


def test_a_range_of_figures_makes_a_range_of_prices() -> None:
    low, typical, high = (level.price(code("enter 8, 0; push es; call eax")).cycles[-1] for level in levels(P4))
    assert low < typical < high
