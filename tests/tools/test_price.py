"""`trapline boot --record` and `trapline price`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emu.timing.profile import DIRECTORY, profiles
from tools.exit_codes import ExitCode

Trapline = Callable[..., Any]       # the fixture `trapline`


@pytest.fixture
def recording(trapline: Trapline, tmp_path: Path) -> Path:
    """The recording of a short run."""
    path = tmp_path / "run.rec"
    ended = trapline("boot", "hello", "--cpu", "p3-500", "--max-cycles", "50K", "--record", path)
    assert ended.status == ExitCode.LIMIT
    return path


def test_the_table_has_the_recorded_run_first_and_says_what_is_ignored(recording: Path, trapline: Trapline) -> None:
    ended = trapline("price", recording)
    title, _, head, *rows = ended.out.splitlines()
    assert title.startswith("hello: ") and title.endswith(" instructions, recorded on p3-500")
    assert head.split()[:4] == ["cycles", "ms", "idle", "ms"]
    assert [row.split()[0] for row in rows[:7]] == ["recorded", *(name for name in profiles() if name != "unit")]
    named = {row.split()[0]: row.split()[1:] for row in rows[:7]}
    assert named["recorded"] == named["p3-500"] != named["p5-166"]
    assert any(row.startswith("- Interrupts come behind the same instructions") for row in rows[7:])


def test_the_report_has_every_counter(recording: Path, trapline: Trapline) -> None:
    report = json.loads(trapline("price", recording, "--cpu", "p3-500", "--cpu", "k7-550", "--json").out)
    again, other = report["priced"]
    assert again == report["recorded"]
    assert other["cpu"] == "k7-550" and other["cycles"] != again["cycles"]
    assert (report["image"], len(report["digest"]), len(report["ignored"])) == ("hello", 64, 3)


def test_a_profile_of_one_s_own_prices_too(recording: Path, trapline: Trapline, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text((DIRECTORY / "p3-500.toml").read_text())
    report = json.loads(trapline("price", recording, "--cpu", tmp_path / "mine.toml", "--json").out)
    assert report["priced"][0] == report["recorded"] | {"cpu": "mine"}


@pytest.mark.parametrize(("options", "words"), [
    (("--cpu", "unit"), "unit: has no figures to price by: a cycle is an instruction; choose another --cpu"),
    (("--cpu", "p3"), "no processor is called 'p3'"),
])
def test_what_cannot_be_priced_is_refused_in_a_line(options: tuple[str, ...], words: str, recording: Path,
                                                    trapline: Trapline) -> None:
    ended = trapline("price", recording, *options)
    assert (ended.status, ended.out) == (ExitCode.BAD_INPUT, "")
    assert words in ended.err and ended.err.count("\n") == 1


@pytest.mark.parametrize(("name", "words"), [
    ("nosuch", "no such file"), (".", "is a directory"), ("other", "no recording; make one with trapline boot"),
    ("cut", "cut short: the recording was not finished; record the run again"),
])
def test_a_file_that_is_no_recording_is_refused_in_a_line(name: str, words: str, recording: Path, trapline: Trapline,
                                                          tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(bytes(1000))
    (tmp_path / "cut").write_bytes(recording.read_bytes()[:-1])
    ended = trapline("price", tmp_path / name)
    assert (ended.status, ended.out) == (ExitCode.BAD_INPUT, "")
    assert words in ended.err and ended.err.count("\n") == 1


@pytest.mark.parametrize(("options", "words"), [
    (("--record", "x/run.rec", "--cpu", "p3-500"), "x/run.rec: no such file or directory"),
    (("--record", "run.rec"), "unit: has no caches to record accesses for; choose another --cpu"),
    (("--record", "/dev/full", "--cpu", "p3-500"), "/dev/full: no space left on device"),
    (("--record", "run.rec", "--cpu", "p3-500", "--profile-range"), "--profile-range runs the image three times"),
])
def test_what_cannot_be_recorded_is_refused_in_a_line(options: tuple[str, ...], words: str, trapline: Trapline,
                                                      tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = trapline("boot", "hello", *options)
    assert (ended.status, ended.out) == (ExitCode.BAD_INPUT, "")
    assert words in ended.err and ended.err.count("\n") == 1
    assert not (tmp_path / "run.rec").exists()
