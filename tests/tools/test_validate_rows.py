"""`trapline validate`: the tables of measured instructions, which rows are calibrated, and how ours compare."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emu.timing.figures import Certainty
from emu.timing.profile import load_profile, profiles
from tools.validate.calibration import Calibration
from tools.validate.checks import Check, Published
from tools.validate.compare import Comparison, summary
from tools.validate.processors import PROCESSORS
from tools.validate.reasons import REASONS, reason_of
from tools.validate.rows import COLUMNS, PUBLISHED, Kind, Row, RowsError, read_rows

HEADER = ",".join(COLUMNS)


def table(directory: Path, *lines: str) -> Path:
    path = directory / "rows.csv"
    path.write_text("\n".join(lines))
    return path


def comparison(published: float, ours: float, kind: Kind = Kind.LATENCY) -> Comparison:
    return Comparison("P54C-166", "p5-166", "NOP", kind, published, ours, True, "dump")


def test_a_row_is_read_with_the_figures_that_it_has(tmp_path: Path) -> None:
    row, = read_rows(table(tmp_path, HEADER, 'P54C-166,"ADD r32, r32",1.0,0.50,,dump'), [])
    assert row == Row("P54C-166", "ADD r32, r32", {Kind.LATENCY: 1.0, Kind.THROUGHPUT: 0.5}, "dump")
    assert row.profile == "p5-166"


def test_comments_empty_lines_and_the_order_of_columns_do_not_matter(tmp_path: Path) -> None:
    columns = "source_file,insn,cpu,note,bw_l1d_bytes_per_c,recip_throughput_c,latency_c"
    path = table(tmp_path, "# measured at home", columns, "", "dump,REP MOVSD,mine,slow,1.5,,")
    row, = read_rows(path, ["mine"])
    assert row == Row("mine", "REP MOVSD", {Kind.BANDWIDTH: 1.5}, "dump")
    assert row.profile == "mine"


@pytest.mark.parametrize(("lines", "words"), [
    ((), ["empty", HEADER]),
    (("cpu,insn",), ["line 1", "latency_c", HEADER]),
    ((HEADER, "P54C-166,NOP,,0.5,"), ["line 2", "5 columns", "must be 6"]),
    ((HEADER, "P54C-166,ADD r32, r32,1,0.5,,dump"), ["line 2", "7 columns", "quotes"]),
    ((HEADER, "P54C-160,NOP,,0.5,,dump"), ["line 2", "cpu", "'P54C-160'", "P54C-166"]),
    ((HEADER, "Z80,NOP,,0.5,,dump"), ["line 2", "cpu", "'Z80'", "one of"]),
    ((HEADER, "P54C-166,,,0.5,,dump"), ["line 2", "insn", "empty"]),
    ((HEADER, "#", "P54C-166,NOP,fast,0.5,,dump"), ["line 3", "latency_c", "'fast'", "a number above 0"]),
    ((HEADER, "P54C-166,NOP,,0,,dump"), ["line 2", "recip_throughput_c", "'0'"]),
    ((HEADER, "P54C-166,NOP,,nan,,dump"), ["line 2", "recip_throughput_c"]),
    ((HEADER, "P54C-166,NOP,,,1e99,dump"), ["line 2", "bw_l1d_bytes_per_c"]),
    ((HEADER, 'P54C-166,"NOP,,0.5,,dump'), ["line 2", "not CSV"]),
])
def test_a_bad_table_is_one_line_with_file_line_column_and_what_is_allowed(
        tmp_path: Path, lines: tuple[str, ...], words: list[str]) -> None:
    with pytest.raises(RowsError) as caught:
        read_rows(table(tmp_path, *lines), [])
    assert str(tmp_path / "rows.csv") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    for name, word in (("binary", "not text"), ("nowhere", "no such file"), (".", "directory")):
        with pytest.raises(RowsError, match=word):
            read_rows(tmp_path / name, [])


@given(st.text(alphabet='abcP54C-166,"\n#0.5', max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(f"{HEADER}\n{text}")
    try:
        rows = read_rows(path, [])
    except RowsError as error:
        assert "\n" not in str(error)
    else:
        assert all(row.cpu in PROCESSORS and row.insn for row in rows)


def test_the_table_that_comes_with_trapline_is_about_every_processor_and_profile() -> None:
    rows = read_rows(PUBLISHED, [])
    assert {row.cpu for row in rows} == set(PROCESSORS)
    assert {row.profile for row in rows} == set(profiles()) - {"unit"}
    assert all(row.figures and row.source for row in rows)


def test_every_profile_stands_for_a_processor_with_its_very_core() -> None:
    assert {each.profile for each in PROCESSORS.values() if each.is_core} == set(profiles()) - {"unit"}


@pytest.mark.parametrize(("profile", "insn", "source", "used"), [
    ("p3-500", "ADD r32, r32", "GenuineIntel0000673_P3_KatmaiDP_InstLatX86.txt", True),
    ("p3-500", "SUB r32, r32", "GenuineIntel0000673_P3_KatmaiDP_InstLatX86.txt", False),
    ("p3-500", "ADD r32, r32", "GenuineIntel0000683_P3_Coppermine_InstLatX86.txt", False),
    ("p3-500", "ADD r32, r32", "", False),
    ("p3-500", "REPE CMPSW", "GenuineIntel0000673_P3_KatmaiDP_InstLatX86.txt", True),
    ("p3-500", "LEA r32, [r+r*8+disp8]", "GenuineIntel0000673_P3_Katmai_InstLatX86.txt", True),
    ("p3-500", "CPUID (EAX = 0)", "GenuineIntel0000673_P3_KatmaiDP_InstLatX86.txt", True),
    ("p5-166", "BSF r32, r32", "GenuineIntel000052C_P54C_InstLatX86.txt", True),
    ("p5-166", "POPFD", "GenuineIntel000052C_P54C_InstLatX86.txt", True),
    ("p5-166", "PUSHFD + POPFD", "GenuineIntel000052C_P54C_InstLatX86.txt", False),
    ("p5-166", "SHR r32, 1", "GenuineIntel000052C_P54C_InstLatX86.txt", False),
])
def test_a_row_is_calibrated_if_a_figure_of_the_profile_cites_it(
        profile: str, insn: str, source: str, used: bool) -> None:
    assert Calibration(load_profile(profile)).uses(Row("any", insn, {}, source)) is used


def test_every_profile_has_rows_of_both_groups() -> None:
    rows = read_rows(PUBLISHED, [])
    for name in set(profiles()) - {"unit"}:
        calibration = Calibration(load_profile(name))
        assert {calibration.uses(row) for row in rows if row.profile == name} == {True, False}


def test_a_deviation_is_a_fraction_of_the_published_figure() -> None:
    assert comparison(4.0, 5.0).deviation == 0.25
    assert comparison(4.0, 3.0).deviation == -0.25


def test_ours_is_exact_if_published_digits_and_the_length_of_the_loops_cannot_tell() -> None:
    assert comparison(6.3, 6.333).is_exact
    assert not comparison(6.3, 6.4).is_exact
    assert comparison(0.33, 0.34, Kind.THROUGHPUT).is_exact
    assert not comparison(0.33, 0.38, Kind.THROUGHPUT).is_exact


def test_a_summary_has_median_and_largest_deviation_without_sign() -> None:
    found = summary([comparison(10, 10), comparison(10, 9), comparison(10, 13)])
    assert (found.count, found.median, found.exact, found.over) == (3, pytest.approx(0.1), 1, 1)
    assert found.maximum == pytest.approx(0.3)


def test_the_summary_of_nothing_has_no_deviation() -> None:
    assert summary([]).median is None
    assert summary([]).maximum is None


def test_a_row_that_does_not_miss_needs_no_reason() -> None:
    assert comparison(10, 10).reason == ""


def test_a_relative_of_the_core_misses_because_it_is_another_core() -> None:
    assert reason_of("P4-Northwood-2800", "SHRD r32, r32, cl", Kind.LATENCY).startswith("another core")
    assert reason_of("P4-Willamette128-1715", "NO SUCH", Kind.LATENCY) == ""


def test_every_reason_is_about_rows_that_exist() -> None:
    published = {(row.cpu, row.insn, kind) for row in read_rows(PUBLISHED, []) for kind in row.figures}
    others = {("P54C-166", insn, Kind.THROUGHPUT) for insn in ("FCHS", "PUSHA + POPA", "MOV r32,[m32]+MOV [m32],r32")}
    assert {reason.text for reason in REASONS} <= {reason_of(*each) for each in published | others}


@pytest.mark.parametrize(("ours", "deviation", "holds"), [
    (9.0, -0.1, True), (10.0, 0.0, True), (15.0, 0.0, True), (20.0, 0.0, True), (22.0, 0.1, True), (25.0, 0.25, False)])
def test_a_check_deviates_from_the_nearer_end_of_what_is_published(ours: float, deviation: float, holds: bool) -> None:
    check = Check("p5-166", "a load", ours, Published(10, 20, "a paper", Certainty.MEASURED), tolerance=0.101)
    assert check.deviation == pytest.approx(deviation)
    assert check.holds is holds


def test_a_check_holds_if_it_is_off_by_no_more_than_rounding() -> None:
    check = Check("p5-166", "CPUID", 17.5, Published(14, 17, "a paper", Certainty.MEASURED), rounding=0.5)
    assert check.holds
    assert not replace(check, ours=17.6).holds


def test_a_check_without_a_source_neither_holds_nor_fails() -> None:
    check = Check("p5-166", "a load", 10, None)
    assert (check.deviation, check.holds) == (None, None)
