"""`trapline reproduce`: what it shows to people and programs, what it refuses, and what it measures with."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from emu.timing.profile import load_profile, profiles
from loader.image import Module
from tools.reproduce import papers, runs, stoess_fig6, stoess_fig7, stoess_fig8, stoess_loads, tables
from tools.reproduce.plan import Plan
from tools.reproduce.svg import line_chart, ticks
from tools.reproduce.table import Chart, Findings, Line, Row, Table
from tools.reproduce.text import number

Trapline = Callable[..., Any]       # the fixture `trapline`

PAPER = {"paper": {"title": "A paper", "published": "somewhere"}, "one": {"source": "table 1"},
         "two": {"source": "table 2"}}
CHART = Chart("Costs & shares", "words", "cycles", (Line("old", ((0, 10), (4, 30))), Line("new", ((0, 12),), 1, True)))
ROWS = [
    Row("small", "round trip", "cycles", "unit", paper=100, ours=110, at_most=120, notes=("as printed",)),
    Row("large", "round trip", "cycles", "unit", paper=100, ours=130, at_most=120, notes=("as printed",)),
    Row("net", "round trip", "us", paper=(1.4, 2.1), open="needs <hardware>"),
    Row("detail", "round trip", "cycles", "unit", ours=7, is_detail=True),
]


def measure_one(plan: Plan) -> Findings:
    plan.tell("a run", 0.5)
    cpu = plan.cpu.name if plan.cpu else "unit"
    return Findings([*ROWS, Row("cpu", f"on {cpu}", "", ours=1)], [CHART], ["A choice."])


def measure_two(plan: Plan) -> Findings:
    return Findings([Row("only", "count", "1", ours=2 if plan.quick else 20)])


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that take no time, of two papers."""
    monkeypatch.setattr(papers, "paper", lambda name: PAPER)
    monkeypatch.setattr(tables, "TABLES", tuple(
        Table(name, f"the table {name}", ("hello",), ("unit",), measure)
        for name, measure in (("fake.one", measure_one), ("fake.two", measure_two), ("other.one", measure_two))))


def test_without_a_name_it_lists_the_tables(trapline: Trapline, fakes: None) -> None:
    ended = trapline("reproduce")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines() == ["fake.one   the table fake.one", "fake.two   the table fake.two",
                                      "other.one  the table other.one"]


def test_the_list_as_json_says_where_each_comes_from(trapline: Trapline, fakes: None) -> None:
    listed = json.loads(trapline("reproduce", "--json").out)["tables"]
    assert listed[1] == {"name": "fake.two", "title": "the table fake.two", "source": "A paper (somewhere), table 2",
                         "images": ["hello"], "profiles": ["unit"]}


def test_a_table_has_ours_beside_theirs_and_what_became_of_its_bars(trapline: Trapline, fakes: None) -> None:
    ended = trapline("reproduce", "fake.one")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[:2] == ["fake.one: the table fake.one", "A paper (somewhere), table 1"]
    rows = {line.split()[0]: re.sub(" +", " ", line) for line in lines if line}
    assert rows["small"] == "small round trip cycles unit 100 110 1.10 at most 120: met [1]"
    assert rows["large"] == "large round trip cycles unit 100 130 1.30 at most 120: not met [1]"
    assert rows["net"] == "net round trip us - 1.4 to 2.1 - - open: needs <hardware>"
    assert "detail" not in rows
    assert lines[-2:] == ["[1] as printed", "A choice."]


def test_a_chart_is_a_table_in_text(trapline: Trapline, fakes: None) -> None:
    lines = trapline("reproduce", "fake.one").out.splitlines()
    at = lines.index("Costs & shares: cycles")
    assert [line.split() for line in lines[at + 1:at + 4]] == [
        ["words", "old", "new"], ["0", "10", "12"], ["4", "30", "-"]]


def test_the_json_has_every_row(trapline: Trapline, fakes: None) -> None:
    report = json.loads(trapline("reproduce", "fake", "--json").out)
    assert [table["name"] for table in report["tables"]] == ["fake.one", "fake.two"]
    assert report["rows"][0] == {
        "table": "fake.one", "row": "small", "metric": "round trip", "unit": "cycles", "cpu": "unit", "paper": 100,
        "ours": 110, "ratio": 1.1, "bar": {"at_most": 120, "is_met": True}, "open": None, "notes": ["as printed"]}
    by_name = {row["row"]: row for row in report["rows"]}
    assert by_name["large"]["bar"]["is_met"] is False
    assert (by_name["net"]["ours"], by_name["net"]["ratio"], by_name["net"]["open"]) == (None, None, "needs <hardware>")
    assert by_name["detail"]["ours"] == 7
    assert by_name["only"]["table"] == "fake.two"


def test_a_paper_stands_for_its_tables_and_each_is_measured_once(fakes: None) -> None:
    assert [table.name for table in tables.choose(["fake.two", "fake"])] == ["fake.one", "fake.two"]
    assert [table.name for table in tables.choose(["other", "fake.two"])] == ["fake.two", "other.one"]


def test_quick_says_so(trapline: Trapline, fakes: None, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    text = trapline("reproduce", "fake.two", "--quick", "--html", page).out
    assert "QUICK" in text and text.split()[-3:] != ["-", "20", "-"]
    assert "QUICK" in page.read_text() and "--quick" in page.read_text()
    report = json.loads(trapline("reproduce", "fake.two", "--quick", "--json").out)
    assert report["quick"] is True and report["rows"][0]["ours"] == 2
    assert "QUICK" not in trapline("reproduce", "fake.two").out


def test_another_processor_can_be_asked_for(trapline: Trapline, fakes: None) -> None:
    assert "on p3-500" in trapline("reproduce", "fake.one", "--cpu", "p3-500").out


class Page(HTMLParser):
    """The tags of a page, and what they refer to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attributes if name in ("src", "href", "data", "action")]


def test_the_report_is_one_file_that_needs_nothing_else(trapline: Trapline, fakes: None, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    ended = trapline("reproduce", "fake", "--html", file)
    assert (ended.status, ended.err) == (0, "") and ended.out.startswith("fake.one")
    text = file.read_text()
    page = Page(text)
    assert page.references == [] and not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "http" not in text and "url(" not in text and "@import" not in text
    assert page.tags.count("h2") == 2 and page.tags.count("svg") == 1
    for shown in ("at most 120: met", "at most 120: not met", "open: needs &lt;hardware&gt;", "A choice.",
                  "Costs &amp; shares", "trapline reproduce fake.one fake.two"):
        assert shown in text
    trapline("reproduce", "fake", "--html", tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == file.read_bytes()


def test_a_chart_is_drawn_with_every_point_inside_it() -> None:
    image = ElementTree.fromstring(line_chart(CHART))
    width, height = (int(side) for side in image.attrib["viewBox"].split()[2:])
    dots = image.findall(".//circle")
    assert len(dots) == 3
    assert all(0 < float(dot.attrib["cx"]) < width and 0 < float(dot.attrib["cy"]) < height for dot in dots)
    assert [dot.findtext("title") for dot in dots] == ["old: 0, 10", "old: 4, 30", "new: 0, 12"]
    assert float(dots[0].attrib["cy"]) > float(dots[1].attrib["cy"])        # more is higher
    assert {"words", "cycles", "old", "new"} <= {text.text for text in image.findall(".//text")}


@pytest.mark.parametrize("most", [0, 0.004, 1, 7, 9.99, 10, 63, 100, 999, 1001, 123456])
def test_ticks_are_few_round_and_reach_the_largest(most: float) -> None:
    found = ticks(most)
    assert found[0] == 0 and found[-1] >= most and 2 <= len(found) <= 11
    assert all(re.fullmatch(r"0\.?0*|0?\.?0*[1-9]\d?0*\.?0*", f"{value:.10g}") for value in found)


@pytest.mark.parametrize(("value", "shown"), [
    (None, "-"), (0, "0"), (3.0, "3"), (12345, "12,345"), (1234.5, "1,234"), (2.7849, "2.785"), (0.54321, "0.543"),
    ((1.4, 2.1), "1.4 to 2.1")])
def test_numbers_for_people(value: Any, shown: str) -> None:
    assert number(value) == shown


def test_what_it_refuses(trapline: Trapline, fakes: None, tmp_path: Path) -> None:
    def refused(*arguments: str | Path) -> Any:
        ended = trapline("reproduce", *arguments)
        assert ended.status == 2
        return ended

    assert refused("fake.tow").complains("fake.tow", "did you mean fake.two?")
    assert refused("zzz").complains("zzz", "there are fake, other, fake.one, fake.two, other.one")
    assert refused("fake", "--cpu", "z80").complains("z80")
    assert refused("fake", "--html", tmp_path / "none" / "report.html").complains("no directory")
    assert refused("fake.two", "--html", tmp_path).complains(str(tmp_path), "cannot be written")
    assert refused("--quick").complains("name a table")


@pytest.mark.parametrize(("error", "status", "said"), [
    (runs.RunError("the run did not end well"), 116, "trapline: the run did not end well\n"),
    (KeyboardInterrupt(), 130, "\n")])
def test_a_run_that_goes_wrong_or_is_ended(trapline: Trapline, monkeypatch: pytest.MonkeyPatch, error: BaseException,
                                           status: int, said: str) -> None:
    def fail(plan: Plan) -> Findings:
        raise error

    monkeypatch.setattr(tables, "TABLES", (Table("fake.one", "", (), (), fail),))
    ended = trapline("reproduce", "fake.one")
    assert (ended.status, ended.out, ended.err) == (status, "", said)


# What tables are measured with.

def test_a_run_has_the_costs_of_the_paths_of_its_image() -> None:
    run = runs.run("preempt", "p3-500", places=["sched_pick"])
    handler = run.path("irq-handler")
    assert handler.count > 5 and len(run.arrivals["sched_pick"]) > 5
    one = runs.median(handler.occurrences)
    assert one["cycles"] == handler.spread()["median"]
    rows = run.ledger(one).rows
    assert sum(row.cycles for row in rows) == one["cycles"]
    with pytest.raises(runs.RunError, match=r"in preempt on p3-500: the path nosuch is not named"):
        run.path("nosuch")
    with pytest.raises(runs.RunError, match=r"the path fault was taken 1 times; the table needs 2"):
        run.path("fault", at_least=2)


def test_a_run_that_does_not_exit_with_0_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LONGEST", 1000)
    with pytest.raises(runs.RunError, match=r"hello in hello on unit: cycle limit .*, at "):
        runs.run("hello", "unit")


def test_arguments_replace_those_of_the_program() -> None:
    assert runs.with_arguments(Module("ping fast slow", b"x"), "7").string == "ping 7"
    assert runs.with_arguments(Module("ping fast slow", b"x"), "").string == "ping"


# The papers' figures.

@pytest.mark.parametrize("file", sorted(papers.DIRECTORY.glob("*.toml")), ids=lambda file: file.stem)
def test_every_figure_has_a_source(file: Path) -> None:
    document = papers.paper(file.stem)
    assert {"title", "published"} <= set(document["paper"])
    for values in document.values():
        for each in values if isinstance(values, list) else [values]:
            assert each is document["paper"] or each["source"]


@pytest.mark.parametrize("table", tables.TABLES, ids=lambda table: table.name)
def test_every_table_is_in_its_paper_and_about_processors_that_exist(table: Table) -> None:
    assert papers.figures(table.name) and papers.source(table.name)
    assert set(table.profiles) <= set(profiles())


def test_what_the_paper_derives_is_what_it_says() -> None:
    printed = papers.figures("stoess.fig7")
    levels = [printed[name]["L"] / 2 for name in ("cpu", "ab")]
    assert [round(level, 1) for level in levels] == printed["per_level_us"]
    assert round(printed["net_cpu"]["F"] * printed["net_cpu"]["L"]) == printed["most_us_per_tick"]


def test_published_figures_name_a_processor_and_how_sure_they_are() -> None:
    for anchor in papers.paper("l4")["ipc"]:
        assert anchor["cpu"] in profiles()
        assert anchor["certainty"] in ("published", "unverified")


# The tables themselves.

Found = dict[tuple[str, str, str], Row]     # rows by cpu, row and metric


def by_name(found: Findings) -> Found:
    rows = {(row.cpu, row.row, row.metric): row for row in found.rows}
    assert len(rows) == len(found.rows)
    return rows


@pytest.fixture(scope="module")
def fig6() -> Findings:
    return stoess_fig6.measure(Plan(quick=True))


def test_an_ipc_costs_more_with_more_registers_and_between_address_spaces(fig6: Findings) -> None:
    lines = {line.name: [y for _, y in line.points] for line in fig6.charts[0].lines}
    assert set(lines) == {"l4, intra", "uls, intra", "l4, inter", "uls, inter"}
    for costs in lines.values():
        assert costs == sorted(costs) and len(set(costs)) == len(stoess_fig6.QUICK_REGISTERS)
    for kernel in stoess_fig6.KERNELS:
        pairs = zip(lines[f"{kernel}, intra"], lines[f"{kernel}, inter"], strict=True)
        assert all(inter > intra for intra, inter in pairs)


def test_the_bars_of_the_ipc_are_met(fig6: Findings) -> None:
    bars = [row for row in fig6.rows if row.at_most is not None]
    assert {(row.cpu, row.row) for row in bars} == {
        ("pd-3000", "intra, 0 registers"), ("pd-3000", "intra, 63 registers"), ("pd-3000", "inter, 0 registers"),
        ("pd-3000", "inter, 63 registers"), ("p5-166", "intra, 0 registers")}
    assert [row for row in bars if not row.is_met] == []


@pytest.mark.parametrize("kernel", stoess_fig6.KERNELS)
def test_the_share_of_the_address_space_is_shown_apart(fig6: Findings, kernel: str) -> None:
    rows = by_name(fig6)
    parts = {name: rows["p5-166", "inter, 0 registers", f"one way, {kernel}: {name}"].ours
             for name in ("load of CR3", "TLB misses", "all else")}
    assert all(parts.values())
    intra = rows["p5-166", "intra, 0 registers", f"one way, {kernel}"].ours
    assert parts["all else"] == pytest.approx(intra, rel=0.2)


def test_the_ipc_table_is_about_the_processors_that_it_says(fig6: Findings) -> None:
    assert {row.cpu for row in fig6.rows if row.cpu} == set(stoess_fig6.TABLE.profiles)


def test_what_the_ipc_table_cannot_measure_is_open(fig6: Findings) -> None:
    assert [(row.row, row.open) for row in fig6.rows if row.open] == [("cross processor", "one processor")]
    assert all(row.ours is not None for row in fig6.rows if not row.open)


def test_on_another_processor_there_are_no_figures_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stoess_fig6, "QUICK_REGISTERS", (0, 63))
    found = stoess_fig6.measure(Plan(load_profile("k7-550"), quick=True))
    assert {row.cpu for row in found.rows} == {"k7-550", ""}
    assert not [row for row in found.rows if isinstance(row.paper, tuple)]


def test_figure_7(monkeypatch: pytest.MonkeyPatch) -> None:
    """One test, so that it is measured once; without the loads that take longest."""
    labels = {name: label for name, label in stoess_loads.LABELS.items() if name in ("idle", "cpu", "net", "net_cpu")}
    monkeypatch.setattr(stoess_fig7, "LABELS", labels)
    found = stoess_fig7.measure(Plan(quick=True))
    rows = {(row, metric): each.ours or 0 for (_, row, metric), each in by_name(found).items()}
    assert not [row for row in found.rows if row.open]
    preemptions = {row: rows[row, "F, preemptions a tick"] for row in (
        *labels.values(), *(f"busy at level {level}" for level in (1, 2, 3)))}
    latencies = {row: rows[row, "L, interrupt to root scheduler"] for row in preemptions}

    # A tick preempts as many as there are levels, and takes longer for each.
    assert [preemptions[row] for row in ("IDLE", "CPU", "busy at level 1", "busy at level 2", "busy at level 3")] == [
        0, 3, 1, 2, 3]
    levels = [latencies[row] for row in ("IDLE", "busy at level 1", "busy at level 2", "busy at level 3")]
    assert levels == sorted(levels) and len(set(levels)) == 4
    for load in labels.values():
        assert 0 < rows[load, "of L: interrupt controllers"] < latencies[load]

    # The card interrupts 16 times a tick, and a busy program each time at three levels.
    assert preemptions["NET"] < 3 and preemptions["NET+CPU"] == pytest.approx(3 * 17, abs=3)

    # Both readings of the latency are shown.
    busy, idle = latencies["CPU"], latencies["IDLE"]
    assert rows["CPU", "latency in a tick, F x L"] == pytest.approx(3 * busy)
    assert rows["CPU", "latency in a tick, interrupts x L"] == busy
    assert rows["per level", "L of CPU / 2"] == busy / 2
    assert rows["per level", "(L of CPU - L of IDLE) / 3"] == pytest.approx((busy - idle) / 3)


def test_under_load_user_level_scheduling_keeps_the_stream_and_the_kernels_does_not() -> None:
    """The paper's claim: figure 8's last row. And how often a server's system is preempted: at two levels, mostly."""
    plan, preemption = Plan(quick=True), stoess_fig7.PREEMPTION
    uls = stoess_loads.load("uls", "net_ab", plan, [preemption])
    streams = stoess_loads.throughput(uls), stoess_loads.throughput(stoess_loads.load("original", "net_ab", plan))
    assert streams[0] > 840 and streams[1] < 0.85 * streams[0]
    ticks = stoess_loads.window_ms(plan) / stoess_loads.TICK_MS
    assert 2 * 16 - 3 <= len(uls.arrivals[preemption]) / ticks < 3 * 16


def test_a_load_is_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stoess_loads, "BEGIN_MS", 25)
    one, other = (stoess_loads.load("uls", "net_cpu", Plan(quick=True)) for _ in range(2))
    assert one.told == other.told and all((one.paths[name] == other.paths[name]).all() for name in one.paths)


def test_figure_8_says_what_the_paper_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row is where it belongs: with the paper's own figures for ours, ours over theirs is 1."""
    printed = papers.figures("stoess.fig8")

    def theirs(system: str, workload: str, plan: Plan) -> dict[str, float]:
        return {metric: printed[workload][f"{system}_{metric}"] for metric in ("T", "R")
                if f"{system}_{metric}" in printed[workload]}

    monkeypatch.setattr(stoess_fig8, "load", theirs)
    monkeypatch.setattr(stoess_fig8, "throughput", lambda window: window["T"])
    monkeypatch.setattr(stoess_fig8, "replies", lambda window: window["R"])
    found = stoess_fig8.measure(Plan())
    assert len(by_name(found)) == len(found.rows) == 9 + 9 + 3
    assert [row.row for row in found.rows if row.paper and row.ratio != pytest.approx(1)] == []
    assert [row.row for row in found.rows if row.is_met] == ["NET+AB, uls", "NET+AB, native"]


@pytest.mark.long
@pytest.mark.parametrize("measure", [stoess_fig6.measure, stoess_fig7.measure, stoess_fig8.measure],
                         ids=["fig6", "fig7", "fig8"])
def test_a_whole_table_meets_its_bars_every_time(measure: Callable[[Plan], Findings]) -> None:
    found = measure(Plan())
    assert [row for row in found.rows if row.is_met is False] == []
    assert measure(Plan()) == found
