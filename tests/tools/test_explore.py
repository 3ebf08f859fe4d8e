"""`trapline explore`: what it prints, what it leaves behind, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.exit_codes import ExitCode

Trapline = Callable[..., Any]       # the fixture `trapline`

WINDOW = ("race", "--from", "count_up", "--to", "race_wait")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cases are written where one is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_race_is_found_and_its_smallest_case_breaks_again(trapline: Trapline, here: Path) -> None:
    found = trapline("explore", *WINDOW)
    assert (found.status, found.err) == (ExitCode.BROKEN, "")
    assert "16 of them break:" in found.out
    assert "add_one+0x5: add eax, 1  (examples/race.asm:" in found.out
    assert "trapline explore --replay race.case.toml" in found.out
    again = trapline("explore", "--replay", "race.case.toml")
    assert again.status == ExitCode.BROKEN and again.out.startswith("add_one+0x5: add eax, 1")


def test_json_has_everything_and_nothing_else_is_printed(trapline: Trapline, here: Path) -> None:
    ended = trapline("explore", *WINDOW, "--json", "--first", "--case", here / "found.toml")
    report = json.loads(ended.out)
    assert report["tried"] < report["open"] and len(report["broken"]) == 1
    assert report["smallest"]["ticks"] == report["broken"][0]["ticks"]
    assert report["case"] == str(here / "found.toml") and (here / "found.toml").is_file()
    replayed = json.loads(trapline("explore", f"--replay={here / 'found.toml'}", "--json").out)
    assert replayed["broken"] == report["smallest"]


def test_nothing_is_written_if_nothing_breaks(trapline: Trapline, here: Path) -> None:
    ended = trapline("explore", "race", "--from", "race_wait", "--to", "race_end", "--sample", "5")
    assert ended.status == 0 and ended.out.endswith("nothing breaks\n")
    assert not list(here.glob("*.toml"))


def test_a_check_is_a_function_in_a_file(trapline: Trapline, here: Path) -> None:
    (here / "checks.py").write_text("def whole(machine):\n"
                                    "    counter = machine.cpu.read_linear(machine.address('counter'), 1)[0]\n"
                                    "    assert counter == 16, f'{counter} of 16'\n"
                                    "def wrong(machine):\n    machine.nothing\n")
    ended = trapline("explore", *WINDOW, "--until", "race_end", "--check", "checks.py:whole", "--first")
    assert ended.status == ExitCode.BROKEN and "check: 8 of 16" in ended.out
    assert trapline("explore", *WINDOW, "--check", "checks.py:wrong").complains("checks.py:wrong", "AttributeError")
    assert trapline("explore", *WINDOW, "--check", "checks.py:no").complains("no function 'no'")
    assert trapline("explore", *WINDOW, "--check", "nothing.py:no").complains("nothing.py", "no Python file")
    assert trapline("explore", *WINDOW, "--check", "whole").complains("give FILE.py:FUNCTION")


def test_ticks_can_be_placed_by_hand(trapline: Trapline) -> None:
    ended = trapline("explore", *WINDOW, "--at", "100000000")
    assert ended.status == 0 and ended.out == "nothing breaks with a tick after instruction 100,000,000\n"


@pytest.mark.parametrize(("arguments", "words"), [
    (("race", "--from", "nowhere"), ("no symbol 'nowhere'",)),
    (("race", "--from", "panic"), ("--from panic", "the run ends (exit)", "0 times")),
    (("race", "--from", "count_up", "--occurrence", "3"), ("--from count_up", "2 times")),
    (("race", "--from", "count_up", "--to", "nowhere"), ("no symbol 'nowhere'",)),
    (("race", "--from", "start"), ("timer does not run",)),
    ((*WINDOW, "--broken-at", "race_end"), ("breaks without a tick", "arrived at race_end")),
    ((*WINDOW, "--exit-code", "3"), ("breaks without a tick", "exit code 0 instead of 3")),
    ((*WINDOW, "--max-instructions", "3"), ("--max-instructions",)),
    ((*WINDOW, "--at", "5,4"), ("--at 5,4", "ascending")),
    ((*WINDOW, "--at", "x"), ("--at x", "counts")),
    (("race",), ("--from",)),
    (("--replay", "missing.toml"), ("missing.toml", "no such file")),
])
def test_what_makes_no_sense_is_refused_in_a_line(arguments: tuple[str, ...], words: tuple[str, ...],
                                                  trapline: Trapline) -> None:
    ended = trapline("explore", *arguments)
    assert ended.status == ExitCode.BAD_INPUT and ended.complains(*words)


@pytest.mark.parametrize(("text", "words"), [
    ("ticks = [", ("not TOML",)),
    ("ticks = [1]", ("digest is missing",)),
    ("digest = 'x'\narguments = ['race']\nticks = []\nreason = ''\nwhere = ''\n", ("ticks numbers",)),
    ("digest = 'x'\narguments = ['race', '--from', 'count_up']\nticks = [1]\nreason = ''\nwhere = ''\n",
     ("race has been built anew",)),
])
def test_a_case_that_is_none_or_of_another_image_is_refused(text: str, words: tuple[str, ...], trapline: Trapline,
                                                            here: Path) -> None:
    (here / "bad.toml").write_text(text)
    ended = trapline("explore", "--replay", "bad.toml")
    assert ended.status == ExitCode.BAD_INPUT and ended.complains(*words)
