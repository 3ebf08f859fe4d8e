"""`trapline boot --profile-range`: the cost of a run over the range of its profile's figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from emu.timing.profile import load_profile
from tools.exit_codes import ExitCode

Trapline = Callable[..., Any]       # the fixture `trapline`
Guests = Any                        # the fixture `guests`

GUEST = "mov ecx, 1000\nagain: dec ecx\njnz again\nbegin: cli\nin al, 0x21\ndone: jmp done"


def rows(text: str) -> dict[str, list[str]]:
    """The lines of the table, by name."""
    return {line[:16].strip(): line[16:].split() for line in text.splitlines() if line}


def test_a_path_costs_more_with_larger_figures(trapline: Trapline, guests: Guests) -> None:
    ended = trapline("boot", guests.of(GUEST), "--cpu", "p4-1800", "--profile-range", "--from", "begin", "--until",
                     "done")
    assert (ended.status, ended.err) == (0, "")
    assert "on p4-1800: cycles from begin on" in ended.out
    table = rows(ended.out)
    timing = load_profile("p4-1800").timing
    assert timing
    parts = timing.transitions["cli"], timing.transitions["in"]
    assert table["transition"] == [str(sum(getattr(each, level) for each in parts))
                                   for level in ("minimum", "typical", "maximum")]
    low, typical, high = (int(cycles.replace(",", "")) for cycles in table["cycles"])
    assert low < typical < high
    assert (table["instructions"], table["io accesses"], table["end"]) == (["2"] * 3, ["1"] * 3, ["until"] * 3)


def test_json_has_every_counter_of_each_run_and_the_parts_add_up(trapline: Trapline) -> None:
    ended = trapline("boot", "hello", "--cpu", "p3-500", "--profile-range", "--max-cycles", "300K", "--json")
    report = json.loads(ended.out)
    assert (ended.status, report["status"], report["cpu"], report["from"]) == (110, 110, "p3-500", "power-on")
    for level in ("minimum", "typical", "maximum"):
        run = report[level]
        assert run["cycles"] == sum(count for name, count in run.items() if name.endswith("_cycles")) >= 300_000


def test_the_typical_run_is_the_run_without_the_option(trapline: Trapline) -> None:
    arguments = ("boot", "hello", "--cpu", "p5-166", "--until", "syscall_dispatch", "--json")
    plain = json.loads(trapline(*arguments).out)
    typical = json.loads(trapline(*arguments, "--profile-range").out)["typical"]
    assert typical == {name: plain[name] for name in typical}


def test_runs_that_took_different_paths_are_told(trapline: Trapline, guests: Guests) -> None:
    waits = "again: in al, 0x61\ntest al, 0x10\njz again\ndone: jmp done"       # for the 8254
    ended = trapline("boot", guests.of(waits), "--cpu", "p3-500", "--profile-range", "--max-cycles", "20000")
    assert ended.out.endswith("differ in what they executed: interrupts and polls of devices fell elsewhere.\n")


@pytest.mark.parametrize(("options", "words"), [
    (("--serial", "stdio"), ("runs the image three times", "leave out --serial stdio")),
    (("--serial", "file:/tmp/x"), ("leave out --serial file:/tmp/x",)),
    (("--debug-console", "stderr"), ("leave out --debug-console stderr",)),
    (("--cpu", "unit"), ("unit has no figures", "--cpu")),
    (("--from", "nowhere"), ("no symbol 'nowhere'",)),
    (("--from", "panic"), ("--from panic: never reached", "exit")),
])
def test_what_does_not_go_together_is_one_line(options: tuple[str, ...], words: tuple[str, ...],
                                               trapline: Trapline) -> None:
    ended = trapline("boot", "hello", "--cpu", "p3-500", "--profile-range", *options)
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains(*words), ended.err


def test_an_image_without_a_processor_needs_one(trapline: Trapline) -> None:
    assert trapline("boot", "hello", "--profile-range").complains("unit has no figures", "--cpu")


def test_a_place_to_count_from_needs_the_range(trapline: Trapline) -> None:
    assert trapline("boot", "hello", "--from", "start").complains("--from", "--profile-range", "give both")
