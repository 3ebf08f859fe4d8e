"""Profiles of one's own: what is accepted, and one line for each way to write a bad one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emu.timing.profile import Profile, ProfileError, load_profile

Values = Callable[[str], dict[str, Any]]        # the fixture `values`
Write = Callable[[dict[str, Any]], Path]        # the fixture `write`
GONE = object()                                 # instead of a value: leave the key out
SOURCE = {"source": "measured with a stopwatch", "certainty": "estimated"}


def change(content: Any, path: str, value: Any) -> None:
    """Set or delete what stands at `path`, numbers in it counting in lists."""
    *way, last = path.split(".")
    for name in way:
        content = content[int(name)] if isinstance(content, list) else content[name]
    if value is GONE:
        del content[last]
    else:
        content[last] = value


# What is accepted

def test_a_shipped_profile_written_anew_is_the_same(values: Values, write: Write) -> None:
    again = load_profile(write(values("k7-550")))
    assert again.timing == load_profile("k7-550").timing
    assert again.sources == load_profile("k7-550").sources


def test_a_file_without_a_pipeline_counts_instructions(values: Values, write: Write) -> None:
    content = values("unit")
    del content["pipeline"], content["sources"]
    profile = load_profile(write(content))
    assert (profile.kind.value, profile.timing, dict(profile.sources)) == ("unit", None, {})


def test_a_table_may_give_one_source_for_all_its_numbers(values: Values, write: Write) -> None:
    content = values("p5-166")
    content["memory"] = {"linear": 100, "random": [150, 200, 250], "bus": 66, **SOURCE}
    timing = load_profile(write(content)).timing
    assert timing is not None
    assert (timing.memory.random.minimum, timing.memory.random.typical, timing.memory.random.maximum) == (150, 200, 250)
    assert timing.memory.linear.source.text == "measured with a stopwatch"


def test_a_number_has_its_own_source_before_that_of_its_table(values: Values, write: Write) -> None:
    content = values("p5-166")
    content["memory"] = {"linear": {"value": 100, "source": "a guess", "certainty": "estimated"}, "random": 200,
                         "bus": 66, **SOURCE}
    timing = load_profile(write(content)).timing
    assert timing is not None
    assert (timing.memory.linear.source.text, timing.memory.bus.source.text) == ("a guess", "measured with a stopwatch")


def test_a_cache_behind_the_first_may_be_left_out(values: Values, write: Write) -> None:
    content = values("p5-166")
    del content["caches"]["l2"]
    timing = load_profile(write(content)).timing
    assert timing is not None and timing.caches.l2 is None


# What is refused

BAD = [
    ("p5-166", "instructions.alu_rr.latency", "fast",
     "instructions.alu_rr.latency: 'fast': must be a number, or three: [minimum, typical, maximum]"),
    ("p5-166", "instructions.alu_rr.latency", -1, "instructions.alu_rr.latency: -1: must be 0 to 10000 cycles"),
    ("p5-166", "instructions.alu_rr.latency", float("nan"), "instructions.alu_rr.latency: nan: must be 0 to 10000"),
    ("p5-166", "instructions.alu_rr.latency", float("inf"), "instructions.alu_rr.latency: inf: must be 0 to 10000"),
    ("p5-166", "instructions.alu_rr.latency", True, "instructions.alu_rr.latency: True: must be a number, or three"),
    ("p5-166", "instructions.alu_rr.latency", [1, 2], "instructions.alu_rr.latency: [1, 2]: must be a number, or thr"),
    ("p5-166", "instructions.alu_rr.latency", [], "instructions.alu_rr.latency: []: must be a number, or three in or"),
    ("p5-166", "instructions.alu_rr.latency", [3, 2, 1], "instructions.alu_rr.latency: [3, 2, 1]: must be a number"),
    ("p5-166", "instructions.alu_rr.throughput", GONE,
     "instructions.alu_rr.throughput: missing; it is from one to the next that does not depend on it (cycles)"),
    ("p5-166", "instructions.alu_rr", 1, "instructions.alu_rr: 1: must be a table"),
    ("p5-166", "instructions.alu_rr", GONE, "instructions.alu_rr: missing; it is ADD, SUB"),
    ("p5-166", "instructions.alu_r", {}, "instructions.alu_r: unknown key; nearest are alu_rr, alu_rm, alu_mr; "),
    ("p5-166", "instructions.cmov", {"throughput": 1, **SOURCE},
     "instructions.cmov: the processor has none: features lacks CMOV"),
    ("p5-166", "instructions.alu_rr.source", GONE,
     "instructions.alu_rr.source: missing; certainty is there, and both go together"),
    ("p5-166", "instructions.alu_rr.certainty", GONE,
     "instructions.alu_rr.certainty: missing; source is there, and both go together"),
    ("p5-166", "instructions.alu_rr.certainty", "sure",
     "instructions.alu_rr.certainty: 'sure': must be one of measured, manual, secondary, emulator, derived, "),
    ("p5-166", "instructions.alu_rr.source", "", "instructions.alu_rr.source: '': must be a string that is not empty"),
    ("p5-166", "instructions.alu_rr.source", "my notes",
     "instructions.alu_rr.source: 'my notes': measured demands \"document: place\", the document one of [documents]; "
     "allowed are instlat, "),
    ("p5-166", "memory.linear", 100, "memory.linear: 100 has no source; write { value = ..., source = "),
    ("p5-166", "memory.linear", {"value": 100}, "memory.linear: 100 has no source; write { value = ..., source = "),
    ("p5-166", "memory.linear", SOURCE, "memory.linear.value: missing"),
    ("p5-166", "memory.linear.values", 3, "memory.linear.values: unknown key; allowed are value, source, certainty"),
    ("p5-166", "memory.linear.value", 0, "memory.linear: 0: must be 1 to 10000 ns"),
    ("p5-166", "memory.size", 3, "memory.size: unknown key; allowed are linear, random, bus"),
    ("p5-166", "memory", GONE, "memory: missing: a p5 profile has a section [memory]"),
    ("p5-166", "memory", 3, "memory: 3: must be a table"),
    ("p5-166", "caches.l1d.size.value", 8.5, "caches.l1d.size: 8.5: must be a whole number, or three: [minimum, "),
    ("p5-166", "caches.l1d.size.value", 12, "caches.l1d.ways: 2: makes 192 sets; must be a power of two"),
    ("p5-166", "caches.l1d.line.value", 24, "caches.l1d.ways: 2: makes 170.667 sets; must be a power of two"),
    ("p5-166", "caches.l1d.write.value", "around",
     "caches.l1d.write: 'around': must be one of 'back', 'back-no-allocate', "),
    ("p5-166", "caches.l1d.write.value", ["back"], "caches.l1d.write: ['back']: must be one of 'back', "),
    ("p5-166", "caches.trace", {}, "caches.trace: a p5 pipeline has none; only netburst"),
    ("p5-166", "caches.l3", {}, "caches.l3: unknown key; allowed are l1i, l1d, l2"),
    ("p5-166", "tlbs.data.ways.value", 3, "tlbs.data.ways: 3: makes 21.3333 sets; must be a power of two"),
    ("p5-166", "tlbs.cr3_load.value", "all but global",
     "tlbs.cr3_load: 'all but global': but features lacks PGE, global pages"),
    ("p3-500", "tlbs.cr3_load.value", "all", "tlbs.cr3_load: 'all': but features has PGE, global pages"),
    ("p5-166", "transitions.sysenter", {"value": 3, **SOURCE},
     "transitions.sysenter: the processor has none: features lacks SEP"),
    ("p3-500", "transitions.sysenter", GONE, "transitions.sysenter: missing; it is SYSENTER (cycles)"),
    ("p5-166", "pairing", GONE, "pairing: missing: a p5 profile has a section [pairing]"),
    ("p5-166", "pairing", {}, "pairing: {}: must be a list of tables, each headed [[pairing]]"),
    ("p5-166", "pairing.0.value", "U", "pairing[0]: 'U': must be one of 'UV', 'PU', 'PV', 'NP'"),
    ("p5-166", "pairing.0.classes", ["fast"], "pairing[0].classes: 'fast' is no class; "),
    ("p5-166", "pairing.0.classes", [[]], "pairing[0].classes: [] is no class; "),
    ("p5-166", "pairing.0.classes", GONE, "pairing[0].classes: missing; it is a list of classes"),
    ("p5-166", "pairing.0.classes", ["nop", "nop"], "pairing[0].classes: 'nop' stands twice"),
    ("p5-166", "pairing.0.classes", ["nop"], "pairing: no group has the class 'mov_rr': MOV between registers"),
    ("p5-166", "uops", [], "uops: a p5 pipeline has no such section"),
    ("p3-500", "pairing", [], "pairing: a p6 pipeline has no such section"),
    ("p3-500", "pairs", {}, "pairs: a p6 pipeline has no such section"),
    ("p3-500", "uops.0.value", 1.5, "uops[0]: 1.5: must be a whole number, or three: [minimum, typical, maximum]"),
    ("p3-500", "pipeline.agi", {"value": 1, **SOURCE}, "pipeline.agi: a p6 pipeline has none; only p5"),
    ("p3-500", "pipeline.window", GONE, "pipeline.window: missing; it is micro-ops in flight"),
    ("p3-500", "pipeline.kind", "p7", "pipeline.kind: 'p7': must be one of unit, p5, p6, k7, netburst"),
    ("p3-500", "pipeline.kind", GONE, "pipeline.kind: missing; it is one of unit, p5, p6, k7, netburst"),
    ("p3-500", "pipeline", GONE, "uops: a profile that counts a cycle an instruction has no figures; set "),
    ("p3-500", "pipeline", 1, "pipeline: 1: must be a table"),
    ("unit", "pipeline.width", 3, "pipeline.width: a unit pipeline has no figures"),
    ("unit", "memory", {}, "memory: a profile that counts a cycle an instruction has no figures; set pipeline"),
    ("p3-500", "documents", 3, "documents: 3: must be a table"),
    ("p3-500", "documents.gcc", 3, "documents.gcc: 3: must be the document's title, a string"),
    ("p3-500", "documents.a:b", "title", "documents.a:b: a document's name may not be empty or hold a colon"),
    ("p3-500", "sources.clock", GONE, "sources.clock: missing: clock has no source; write { source = "),
    ("p3-500", "sources.brand", SOURCE, "sources.brand: unknown key; allowed are clock, signature, features, leaf2"),
    ("p3-500", "sources.clock.value", 3, "sources.clock.value: unknown key; allowed are source, certainty"),
    ("p3-500", "sources", GONE, "sources.clock: missing: clock has no source; write { source = "),
    ("p3-500", "sources", [], "sources: []: must be a table"),
    ("p3-500", "color", 3, "color: unknown key; allowed are description, clock, engine, "),
    ("p3-500", "a\nb", 3, "a\\nb: unknown key; allowed are description, clock, engine, "),
]


@pytest.mark.parametrize(("name", "key", "value", "message"), BAD, ids=[f"{n}-{row[1]!r}" for n, row in enumerate(BAD)])
def test_a_bad_profile_gives_one_line_with_file_key_value_and_what_is_allowed(
        values: Values, write: Write, name: str, key: str, value: Any, message: str) -> None:
    content = values(name)
    change(content, key, value)
    path = write(content)
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["signature = 0x" + "f" * 5000, "clock = " + "9" * 5000, "a = " + "[" * 5000,
                                  "leaf2 = [" + "0x" + "f" * 5000 + "]", "pipeline = {kind = 0x" + "f" * 5000 + "}"])
def test_values_too_long_to_be_shown_give_one_short_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ProfileError) as caught:
        load_profile(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 400


SCALARS = (st.integers() | st.floats() | st.booleans()
           | st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=8)
           | st.sampled_from(["measured", "chosen", "unit", "p5", "p6", "back", "all", "UV", "PGE"]))
KEYS = st.sampled_from(["value", "source", "certainty", "kind", "classes", "latency", "size", "x"])
THINGS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
                      max_leaves=5)


def places(content: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a nest of tables and lists."""
    steps = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [place for step, inner in steps for place in [(*way, step), *places(inner, (*way, step))]]


@given(st.data(), st.sampled_from(["p5-166", "p3-500", "k7-550", "p4-1800", "unit"]))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_profile_loads_or_gives_one_line(values: Values, write: Write, data: st.DataObject,
                                                   name: str) -> None:
    content = copy.deepcopy(values(name))
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(places(content)))
        table = content
        for step in way:
            table = table[step]
        if data.draw(st.booleans()):
            table[last] = data.draw(THINGS)
        elif isinstance(table, dict) and data.draw(st.booleans()):
            table[data.draw(KEYS)] = data.draw(THINGS)
        else:
            del table[last]
    path = write(content)
    try:
        assert isinstance(load_profile(path), Profile)
    except ProfileError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error) and "\r" not in str(error)
