"""The figures of the profiles that come with the machine: their sources, what those have, and each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from emu.timing.figures import Certainty, Kind, Number, Word
from emu.timing.profile import DIRECTORY, Profile, load_profile, profiles
from emu.timing.timing import Timing
from emu.timing.vocabulary import CLASSES, TRANSITIONS

PROCESSORS = [name for name in profiles() if name != "unit"]
KINDS = {"p5-166": Kind.P5, "p2-450": Kind.P6, "p3-500": Kind.P6, "k7-550": Kind.K7, "p4-1800": Kind.NETBURST,
         "pd-3000": Kind.NETBURST, "unit": Kind.UNIT}


def figures(part: Any) -> Iterator[Number | Word]:
    """Every number and word below a section."""
    if isinstance(part, Number | Word):
        yield part
    elif is_dataclass(part):
        for each in fields(part):
            yield from figures(getattr(part, each.name))
    elif hasattr(part, "values"):
        for value in part.values():
            yield from figures(value)


def timing(profile: Profile) -> Timing:
    assert profile.timing is not None
    return profile.timing


def dig(profile: Profile, path: str) -> Any:
    """A figure by its key in the file."""
    part: Any = timing(profile)
    for name in path.split("."):
        part = part[name] if hasattr(part, "keys") else getattr(part, name)
    return part


@pytest.mark.parametrize("name", profiles())
def test_every_profile_loads_with_the_pipeline_of_its_processor(name: str) -> None:
    profile = load_profile(name)
    assert profile.kind is KINDS[name]
    assert (profile.timing is None) == (name == "unit")


@pytest.mark.parametrize("name", profiles())
def test_every_number_of_the_identity_has_a_source(name: str) -> None:
    assert load_profile(name).sources.keys() >= {"clock", "signature", "features"}


@pytest.mark.parametrize("name", PROCESSORS)
def test_every_figure_has_a_source_and_what_is_measured_names_a_document(name: str) -> None:
    profile = load_profile(name)
    found = list(figures(timing(profile)))
    assert len(found) > 300
    for figure in found:
        assert figure.source.text.strip()
        if figure.source.certainty in (Certainty.MEASURED, Certainty.MANUAL, Certainty.SECONDARY, Certainty.EMULATOR):
            assert figure.source.text.partition(":")[0] in profile.documents, figure


@pytest.mark.parametrize("name", PROCESSORS)
def test_every_document_is_cited(name: str) -> None:
    text = (DIRECTORY / f"{name}.toml").read_text()
    for document in load_profile(name).documents:
        assert f'source = "{document}' in text, document


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_class_or_transition_is_missing_only_for_a_missing_feature(name: str) -> None:
    profile = load_profile(name)
    for vocabulary, found in ((CLASSES, timing(profile).instructions), (TRANSITIONS, timing(profile).transitions)):
        assert list(found) == [key for key, term in vocabulary.items()
                               if not term.feature or term.feature in profile.features]


# What InstLatx64@087af2c has for the core of each profile: latency, reciprocal throughput
MEASURED = [
    ("p5-166", "alu_rr", 1.0, 0.50), ("p5-166", "alu_rm", 3.0, 1.00), ("p5-166", "adc_rr", 1.0, 1.00),
    ("p5-166", "shift_cl", 4.0, 4.00), ("p5-166", "imul32", 9.0, 9.00), ("p5-166", "div32", 41.0, 41.00),
    ("p5-166", "idiv32", 46.0, 46.00), ("p5-166", "cmpxchg8b", 9.0, 9.00), ("p5-166", "xchg_mem", 30.4, 30.50),
    ("p2-450", "alu_rm", 4.0, 1.00), ("p2-450", "alu_mr", 6.3, 1.75), ("p2-450", "imul32", 4.0, 1.00),
    ("p2-450", "cld", 6.3, 6.33), ("p2-450", "xchg_mem", 20.0, 19.00), ("p2-450", "cmpxchg", 5.3, 5.08),
    ("p3-500", "lock_rmw", 21.0, 21.00), ("p3-500", "div32", 39.0, 39.00), ("p3-500", "adc_rr", 2.0, 2.00),
    ("p3-500", "std", 7.3, 7.33), ("p3-500", "sfence", 6.7, 6.67), ("p3-500", "bswap", 2.0, 1.00),
    ("k7-550", "alu_rr", 1.0, 0.38), ("k7-550", "bsr", 9.0, 8.50), ("k7-550", "lahf", 6.0, 6.00),
    ("k7-550", "cmpxchg8b", 35.0, 29.00), ("k7-550", "lock_rmw", 18.9, 18.00), ("k7-550", "alu_mr", 6.9, 1.50),
    ("p4-1800", "alu_rr", 0.5, 0.34), ("p4-1800", "adc_rr", 7.0, 7.00), ("p4-1800", "imul32", 15.0, 4.25),
    ("p4-1800", "cld", 50.0, 50.00), ("p4-1800", "xchg_mem", 124.9, 124.17), ("p4-1800", "mfence", 98.0, 98.00),
    ("pd-3000", "alu_rr", 1.0, 0.35), ("pd-3000", "adc_rr", 10.0, 10.00), ("pd-3000", "div32", 76.0, 76.00),
    ("pd-3000", "lock_rmw", 87.9, 88.33), ("pd-3000", "mov_load", 4.0, 1.00), ("pd-3000", "lfence", 52.0, 52.00),
]


@pytest.mark.parametrize(("name", "key", "latency", "throughput"), MEASURED)
def test_a_measured_instruction_has_the_figures_of_its_row(name: str, key: str, latency: float,
                                                           throughput: float) -> None:
    cost = timing(load_profile(name)).instructions[key]
    assert cost.latency is not None
    assert (cost.latency.typical, cost.throughput.typical) == (latency, throughput)
    assert cost.throughput.source.certainty is Certainty.MEASURED


# Minimum, typical value and maximum of what other sources have
CITED = [
    ("p5-166", "transitions.int_outer", (48, 48, 48)),          # 86Box
    ("p5-166", "transitions.iret_outer", (27, 27, 27)),
    ("p5-166", "transitions.call_gate_inner", (44, 44, 44)),
    ("p5-166", "transitions.cli", (7, 7, 7)),                   # P5 table
    ("p5-166", "transitions.rdmsr", (20, 22, 24)),
    ("p5-166", "transitions.invlpg", (25, 25, 25)),
    ("p5-166", "strings.rep_movs.setup", (3, 3, 3)),
    ("p5-166", "strings.rep_movs.dword", (1, 1, 1)),
    ("p2-450", "transitions.popf", (15, 15, 15)),               # InstLatx64
    ("p3-500", "transitions.popf", (17, 17, 17)),
    ("k7-550", "transitions.popf", (11, 11, 11)),
    ("p4-1800", "transitions.popf", (50, 50, 52)),
    ("p3-500", "transitions.rdtsc", (30, 30, 30)),
    ("p4-1800", "transitions.rdtsc", (80, 80, 80)),
    ("pd-3000", "transitions.rdtsc", (100, 100, 100)),
    ("p2-450", "transitions.exception", (17, 17, 17)),          # LKML
    ("p3-500", "transitions.exception", (16, 16, 16)),
    ("k7-550", "transitions.cli", (4, 4, 4)),
    ("k7-550", "transitions.lgdt", (37, 37, 37)),               # K8 guide
    ("p3-500", "branch.mispredict", (10, 15, 26)),              # GCC
    ("k7-550", "pipeline.window", (72, 72, 72)),
    ("p3-500", "memory.linear", (162, 162, 162)),               # memory dumps
    ("pd-3000", "memory.linear", (98, 98, 98)),
    ("p4-1800", "caches.l2.latency", (14, 18, 20)),
    ("p5-166", "caches.l1d.latency", (2, 2, 2)),
    ("k7-550", "tlbs.data_l2.entries", (256, 256, 256)),
]


@pytest.mark.parametrize(("name", "path", "expected"), CITED)
def test_a_figure_is_what_its_source_has(name: str, path: str, expected: tuple[float, ...]) -> None:
    figure = dig(load_profile(name), path)
    assert (figure.minimum, figure.typical, figure.maximum) == expected


# Sums that were measured as a whole: bounds from LKML messages, as a sum of minima, of typical values and of maxima
COMPOSITES = [
    ("p2-450", ("int_outer", "iret_outer"), 154, 236), ("p3-500", ("int_outer", "iret_outer"), 157, 242),
    ("p4-1800", ("int_outer", "iret_outer"), 1120, 1761), ("k7-550", ("int_outer", "iret_outer"), 0, 280),
    ("p2-450", ("sysenter", "sysexit"), 0, 82), ("p3-500", ("sysenter", "sysexit"), 0, 84.5),
    ("p4-1800", ("sysenter", "sysexit"), 0, 641),
]


@pytest.mark.parametrize(("name", "parts", "low", "high"), COMPOSITES)
def test_an_entry_and_its_return_add_up_to_what_was_measured_of_both(name: str, parts: tuple[str, str], low: float,
                                                                     high: float) -> None:
    costs = [timing(load_profile(name)).transitions[part] for part in parts]
    assert low <= sum(cost.minimum for cost in costs)
    assert low <= sum(cost.typical for cost in costs) <= high
    assert sum(cost.maximum for cost in costs) <= high
    assert all(cost.source.certainty is Certainty.ESTIMATED for cost in costs)      # of the split


# How much slower microcode is than the P5's: least, on average, most; and what each is computed from, cycles by cycles
FACTORS = {
    "p2-450": (2.3, 3.2, 4.3, ((15, 4), (6.3, 2), (31, 12), (64, 15), (7, 3))),
    "p3-500": (2.3, 3.2, 4.3, ((15, 4), (6.3, 2), (31, 12), (64, 15), (7, 3))),
    "k7-550": (0.5, 1.5, 2.9, ((11, 4), (1, 2), (11, 12), (43, 15), (2, 3))),
    "p4-1800": (2.0, 12.6, 25.0, ((50, 4), (50, 2), (80, 12), (256, 15), (6, 3))),
    "pd-3000": (2.7, 15.8, 27.0, ((70, 4), (54, 2), (100, 12), (356, 15), (8, 3))),
}


@pytest.mark.parametrize("name", FACTORS)
def test_what_is_scaled_from_the_p5_is_its_figure_times_the_factor_that_the_profile_states(name: str) -> None:
    least, average, most, pairs = FACTORS[name]
    ratios = [ours / p5 for ours, p5 in pairs]
    assert min(ratios) == pytest.approx(least, abs=0.06)
    assert sum(ratios) / len(ratios) == pytest.approx(average, abs=0.06)
    assert max(ratios) == pytest.approx(most, abs=0.06)
    assert f"{average:g} on average, {least:g} to {most:g}" in load_profile(name).documents["scale"]
    originals = timing(load_profile("p5-166")).transitions
    scaled = {key: figure for key, figure in timing(load_profile(name)).transitions.items()
              if figure.source.text.startswith("scale: the P5's") and "; " not in figure.source.text}
    assert len(scaled) > 15
    for key, figure in scaled.items():
        p5 = originals[key]
        assert (figure.minimum, figure.typical, figure.maximum) == (
            max(1, round(p5.minimum * least)), max(1, round(p5.typical * average)), round(p5.maximum * most)), key


# Intel AP-485: what a descriptor of CPUID leaf 2 means
DESCRIPTORS: dict[int, dict[str, int]] = {
    0x01: {"tlbs.code.entries": 32, "tlbs.code.ways": 4},
    0x02: {"tlbs.code_large.entries": 2, "tlbs.code_large.ways": 2},
    0x03: {"tlbs.data.entries": 64, "tlbs.data.ways": 4},
    0x04: {"tlbs.data_large.entries": 8, "tlbs.data_large.ways": 4},
    0x08: {"caches.l1i.size": 16, "caches.l1i.ways": 4, "caches.l1i.line": 32},
    0x0C: {"caches.l1d.size": 16, "caches.l1d.ways": 4, "caches.l1d.line": 32},
    0x40: {},
    0x43: {"caches.l2.size": 512, "caches.l2.ways": 4, "caches.l2.line": 32},
    0x50: {"tlbs.code.entries": 64},
    0x51: {"tlbs.code.entries": 128},
    0x5B: {"tlbs.data.entries": 64},
    0x60: {"caches.l1d.size": 16, "caches.l1d.ways": 8, "caches.l1d.line": 64},
    0x66: {"caches.l1d.size": 8, "caches.l1d.ways": 4, "caches.l1d.line": 64},
    0x70: {"caches.trace.uops": 12 * 1024, "caches.trace.ways": 8},
    0x7A: {"caches.l2.size": 256, "caches.l2.ways": 8, "caches.l2.line": 64},
    0x7C: {"caches.l2.size": 1024, "caches.l2.ways": 8, "caches.l2.line": 64},
}


@pytest.mark.parametrize("name", ["p2-450", "p3-500", "p4-1800", "pd-3000"])
def test_caches_and_tlbs_are_those_that_cpuid_leaf_2_announces(name: str) -> None:
    profile = load_profile(name)
    descriptors = [byte for word in profile.cpuid[8:12] for byte in word.to_bytes(4, "little") if byte][1:]
    assert len(descriptors) > 4                             # the first byte says how often to ask
    for descriptor in descriptors:
        for path, expected in DESCRIPTORS[descriptor].items():
            assert dig(profile, path).typical == expected, path


@pytest.mark.parametrize("name", PROCESSORS)
def test_what_is_farther_away_takes_longer(name: str) -> None:
    profile = load_profile(name)
    caches, memory = timing(profile).caches, timing(profile).memory
    assert caches.l1d.latency is not None and caches.l2 is not None and caches.l2.latency is not None
    linear = memory.linear.typical * profile.clock / 1e9
    assert caches.l1d.latency.typical < caches.l2.latency.typical < linear < memory.random.typical * profile.clock / 1e9


@pytest.mark.parametrize("name", PROCESSORS)
def test_a_range_has_its_typical_value_inside(name: str) -> None:
    for figure in figures(timing(load_profile(name))):
        if isinstance(figure, Number):
            assert figure.minimum <= figure.typical <= figure.maximum
            assert figure.is_range == (figure.minimum < figure.maximum)
