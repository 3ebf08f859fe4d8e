"""A profile at the low end, the middle and the high end of what its sources allow."""

from __future__ import annotations

import pytest
from test_figures import dig, figures

from emu.timing.figures import Number
from emu.timing.levels import LEVELS, Level
from emu.timing.profile import load_profile, profiles


@pytest.mark.parametrize("name", profiles())
@pytest.mark.parametrize("level", LEVELS)
def test_no_figure_of_a_level_is_a_range(name: str, level: Level) -> None:
    assert not any(figure.is_range for figure in figures(load_profile(name).at(level).timing)
                   if isinstance(figure, Number))


@pytest.mark.parametrize(("path", "expected"), [
    ("transitions.int_outer", (717, 922, 1127)), ("uops.div32", (4, 20, 30)), ("ports.inta", (500, 1000, 2000)),
    ("instructions.enter.throughput", (4, 11, 139)), ("caches.l2.latency", (14, 18, 20))])
def test_a_cost_takes_its_value_of_the_level(path: str, expected: tuple[float, ...]) -> None:
    assert tuple(dig(load_profile("p4-1800").at(level), path).typical for level in LEVELS) == expected


def test_a_capacity_stays_typical() -> None:
    assert [dig(load_profile("p5-166").at(level), "caches.l2.size").typical for level in LEVELS] == [256, 256, 256]


def test_a_level_keeps_sources_and_identity() -> None:
    profile = load_profile("k7-550")
    slow = profile.at("maximum")
    assert (slow.name, slow.clock, slow.cpuid) == (profile.name, profile.clock, profile.cpuid)
    assert dig(slow, "branch.mispredict").source == dig(profile, "branch.mispredict").source


def test_a_unit_profile_is_the_same_at_every_level() -> None:
    assert all(load_profile("unit").at(level) == load_profile("unit") for level in LEVELS)


def test_another_level_is_refused() -> None:
    with pytest.raises(ValueError, match="'fast': must be one of minimum, typical, maximum"):
        load_profile("k7-550").at("fast")       # type: ignore[arg-type]
