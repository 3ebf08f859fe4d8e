"""`trapline validate`: what it shows to people and programs, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.validate import anchors, ladders

Trapline = Callable[..., Any]       # the fixture `trapline`

ROWS = """cpu,insn,latency_c,recip_throughput_c,bw_l1d_bytes_per_c,source_file
P54C-166,"ADD r32, r32",1.0,0.50,,GenuineIntel000052C_P54C_InstLatX86.txt
P54C-166,"SUB r32, r32",1.0,0.50,,GenuineIntel000052C_P54C_InstLatX86.txt
P54C-133,"DIV r32 1/1",41.0,41.00,,GenuineIntel0000526_P54C_InstLatX86.txt
P54C-166,REP LODSD,,,1.28,GenuineIntel000052C_P54C_InstLatX86.txt
P54C-166,"FSQRT64 st",70.0,69.17,,GenuineIntel000052C_P54C_InstLatX86.txt
K7-Pluto-750,NOP,,0.33,,AuthenticAMD0000622_K7_Pluto_InstLatX86.txt
"""


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less memory to chase through, and fewer rounds."""
    monkeypatch.setattr(ladders, "RANDOM_SET", 512)
    monkeypatch.setattr(anchors, "WARM", 2)
    monkeypatch.setattr(anchors, "MEASURED", 2)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def test_the_report_has_ours_and_theirs_and_the_figures_over_all(trapline: Trapline, rows: Path) -> None:
    ended = trapline("validate", "--profile", "p5-166", "--rows", rows, "--json")
    assert (ended.status, ended.err) == (0, "")
    report = json.loads(ended.out)
    assert set(report) == {"median_deviation", "max_deviation", "goals", "all", "calibrated", "held_out", "relatives",
                           "profiles", "rows", "unmeasured", "pairs", "ladders", "branches", "anchors"}
    assert [(row["insn"], row["kind"], row["held_out"]) for row in report["rows"]] == [
        ("ADD r32, r32", "latency", False), ("ADD r32, r32", "throughput", False),
        ("SUB r32, r32", "latency", True), ("SUB r32, r32", "throughput", True),
        ("DIV r32 1/1", "latency", True), ("DIV r32 1/1", "throughput", True), ("REP LODSD", "bandwidth", True)]
    for row in report["rows"]:
        assert row["deviation"] == pytest.approx((row["ours"] - row["published"]) / row["published"])
    deviations = sorted(abs(row["deviation"]) for row in report["rows"])
    assert report["median_deviation"] == deviations[3]
    assert report["max_deviation"] == deviations[-1]
    assert report["calibrated"]["count"] + report["held_out"]["count"] == report["all"]["count"] == 7
    assert set(report["profiles"]) == {"p5-166"}
    assert set(report["profiles"]["p5-166"]["cpus"]) == {"P54C-166", "P54C-133"}
    assert [each["insn"] for each in report["unmeasured"]] == ["FSQRT64 st"] * 2
    assert all("'st'" in each["reason"] for each in report["unmeasured"])


def test_the_checks_beside_the_rows_have_their_sources(trapline: Trapline, rows: Path) -> None:
    report = json.loads(trapline("validate", "--profile", "p5-166", "--rows", rows, "--json").out)
    checks = [*report["pairs"], *report["ladders"]["caches"], *report["ladders"]["tlbs"], *report["branches"],
              *report["anchors"]]
    assert {check["profile"] for check in checks} == {"p5-166"}
    for check in checks:
        known = check["source"] is not None
        assert known == (check["certainty"] is not None) == (check["holds"] is not None) == (check["least"] is not None)
    assert any(check["what"] == "INT, IRET" for check in report["anchors"])


def test_the_table_has_every_row_and_says_why_one_is_missing(trapline: Trapline, rows: Path) -> None:
    out = trapline("validate", "--profile", "p5-166", "--rows", rows).out
    for insn in ("ADD r32, r32", "SUB r32, r32", "DIV r32 1/1", "REP LODSD"):
        assert re.search(rf"^{re.escape(insn)}  +\w+ +[\d.]+ ", out, re.MULTILINE)
    assert "not measured, and why:" in out
    assert "FSQRT64 st (latency)" in out
    assert "How a composite is shared out between its parts is an estimate" in out
    assert re.search(r"^all +calibrated +2 ", out, re.MULTILINE)
    assert re.search(r"^ +held out, same core +5 ", out, re.MULTILINE)
    assert "\x1b" not in out


def test_rows_that_profiles_are_calibrated_on_can_be_left_out(trapline: Trapline, rows: Path) -> None:
    report = json.loads(trapline("validate", "--profile", "p5-166", "--rows", rows, "--held-out", "--json").out)
    assert {row["insn"] for row in report["rows"]} == {"SUB r32, r32", "DIV r32 1/1", "REP LODSD"}
    assert report["calibrated"]["count"] == 0


def test_a_range_comes_from_the_least_and_largest_figures(trapline: Trapline, rows: Path) -> None:
    report = json.loads(trapline("validate", "--profile", "p5-166", "--rows", rows, "--profile-range", "--json").out)
    for anchor in report["anchors"]:
        least, most = anchor["ours_range"]
        assert least <= anchor["ours"] <= most


def test_a_profile_of_ones_own_is_compared_with_rows_of_its_name(trapline: Trapline, tmp_path: Path) -> None:
    from emu.timing.profile import DIRECTORY

    own = tmp_path / "mine.toml"
    own.write_text((DIRECTORY / "p5-166.toml").read_text())
    (tmp_path / "rows.csv").write_text(ROWS.replace("P54C-133", "mine"))
    report = json.loads(trapline("validate", "--profile", own, "--rows", tmp_path / "rows.csv", "--json").out)
    assert {(row["cpu"], row["profile"], row["insn"]) for row in report["rows"]} == {("mine", "mine", "DIV r32 1/1")}
    assert report["profiles"]["mine"]["cpus"]["mine"]["relation"] == "the profile's own"


@pytest.mark.parametrize(("arguments", "words"), [
    (["--profile", "unit"], ["unit", "no figures"]),
    (["--profile", "z80"], ["'z80'", "p5-166"]),
    (["--rows", "nowhere.csv"], ["nowhere.csv", "no such file"]),
    (["--profile", "pd-3000", "--rows", "ROWS"], ["rows.csv", "no row is about pd-3000"]),
])
def test_bad_input_is_one_line(trapline: Trapline, rows: Path, arguments: list[str], words: list[str]) -> None:
    ended = trapline("validate", *[str(rows) if argument == "ROWS" else argument for argument in arguments])
    assert ended.status == 2
    assert ended.complains(*words)
