"""Profiles as text and as JSON: every figure is there, with its source."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from emu.timing.profile import load_profile, profiles
from emu.timing.rendering import as_dict, describe


def leaves(tree: Any) -> list[dict[str, Any]]:
    """The figures of a profile in JSON."""
    if not isinstance(tree, dict):
        return []
    return [tree] if "certainty" in tree else [leaf for inner in tree.values() for leaf in leaves(inner)]


@pytest.mark.parametrize(("name", "sentence"), [
    ("unit", "An instruction costs one cycle"), ("p3-500", "What a run costs follows from these figures")])
def test_text_and_json_say_what_the_machine_makes_of_the_figures(name: str, sentence: str) -> None:
    assert sentence in describe(load_profile(name))
    assert sentence in as_dict(load_profile(name))["model"]


@pytest.mark.parametrize("name", profiles())
def test_json_holds_every_figure_with_source_and_certainty(name: str) -> None:
    profile = load_profile(name)
    tree = json.loads(json.dumps(as_dict(profile)))
    found = leaves(tree)
    assert len(found) > (300 if profile.timing else 2)
    assert all(leaf["source"] and leaf["certainty"] for leaf in found)
    assert (tree["name"], tree["clock"], tree["kind"]) == (name, profile.clock, profile.kind.value)


@pytest.mark.parametrize("name", profiles())
def test_text_has_a_line_for_every_figure_of_the_json_with_its_source(name: str) -> None:
    profile = load_profile(name)
    lines = describe(profile).splitlines()
    expected = Counter(f"  {leaf['certainty']:<12}{leaf['source']}" for leaf in leaves(as_dict(profile)))
    for tail, number in expected.items():
        assert sum(line.endswith(tail) for line in lines) == number, tail


def line_of(text: str, section: str, name: str) -> str:
    """A line of a section."""
    lines = text.splitlines()
    return next(line for line in lines[lines.index(section):] if line.split()[:1] == [name])


def test_a_number_is_shown_with_its_unit_meaning_certainty_and_source() -> None:
    words = line_of(describe(load_profile("p3-500")), "transitions", "rdtsc").split()
    assert words == ["rdtsc", "30", "cycles", "RDTSC", "measured", "instlat:", "RDTSC"]


def test_a_range_is_shown_as_its_typical_value_and_its_ends() -> None:
    assert " 15 (10 to 26) cycles " in line_of(describe(load_profile("p3-500")), "branch", "mispredict")


def test_a_word_is_shown_as_it_is() -> None:
    assert " through " in line_of(describe(load_profile("p4-1800")), "caches", "l1d.write")


def test_the_documents_are_listed_by_the_names_under_which_they_are_cited() -> None:
    text = describe(load_profile("p5-166"))
    assert "documents, by the names under which sources cite them" in text
    assert any(line.split()[:1] == ["p5table"] and "jsimlo.sk" in line for line in text.splitlines())


def test_json_has_a_number_with_its_range_and_unit() -> None:
    assert as_dict(load_profile("p3-500"))["branch"]["mispredict"] == {
        "value": 15, "minimum": 10, "maximum": 26, "unit": "cycles", "phrase": "a branch predicted wrong",
        "source": "gcc: 15 typically, 26 at worst; 10 at least (Intel AP-526, unverified)", "certainty": "manual"}
