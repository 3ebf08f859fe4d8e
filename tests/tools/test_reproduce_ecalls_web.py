"""The web servers' tables: a server under a small load, and what is made of what was measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tools.reproduce import ecalls_fig6_7, ecalls_fig9_10, ecalls_goodput
from tools.reproduce.ecalls_web import GIGABIT, IMAGES, LARGER, Load, Served, response, serve
from tools.reproduce.plan import Plan
from tools.reproduce.runs import RunError
from tools.reproduce.table import Findings, Row, Table
from tools.reproduce.tables import TABLES

MODULES = (ecalls_fig6_7, ecalls_fig9_10, ecalls_goodput)


def served(replies: float, response: float = 1.0) -> Served:
    return Served(300, replies, 0, response, response, response, 0.5)


def by_name(found: Findings) -> dict[tuple[str, str, str], Row]:
    rows = {(row.row, row.metric, row.cpu): row for row in found.rows}
    assert len(rows) == len(found.rows)
    return rows


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Load], Served]], None]:
    """Instead of runs, something that is known beforehand."""
    def use(function: Callable[[Load], Served]) -> None:
        for module in MODULES:
            monkeypatch.setattr(module, "serve", lambda plan, load: function(load))
    return use


@pytest.mark.parametrize("server", IMAGES)
def test_a_server_carries_a_small_load(server: str) -> None:
    found = serve(Plan(), Load(server, 2000, 4, 8))
    assert found.offered == pytest.approx(2000, rel=0.1) and found.replies == pytest.approx(2000, rel=0.1)
    assert found.failed == 0 and 0 < found.response <= found.response_99 * 1.01 and 0 < found.busy < 0.5


def test_connections_that_say_nothing_cost_only_who_looks_at_them() -> None:
    none, many = (serve(Plan(), Load("ecalls", 2000, 4, 8, idle=idle)) for idle in (0, 100))
    assert many.replies == pytest.approx(none.replies, rel=0.1) and many.busy > none.busy


def test_a_page_may_take_its_time() -> None:
    found = serve(Plan(), Load("ecalls", 100, 30, 40, page=LARGER, work=ecalls_fig9_10.WORK))
    assert found.response == pytest.approx(7, rel=0.1)


def test_a_server_that_stops_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(IMAGES, "select", "hello")
    with pytest.raises(RunError, match=r"hello on p2-450: "):
        serve(Plan(), Load("select", 100, 1, 1))


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("table", [module.TABLE for module in MODULES], ids=lambda table: table.name)
def test_every_point_has_its_rows(table: Table, quick: bool, fake: Callable[[Callable[[Load], Served]], None]) -> None:
    loads: list[Load] = []

    def serve(load: Load) -> Served:
        loads.append(load)
        return served(load.rate)

    fake(serve)
    found = table.measure(Plan(quick=quick))
    assert table in TABLES and found.notes
    assert len(set(loads)) == len(loads)
    assert len(by_name(found)) >= 2 * len(loads)
    assert all(len(line.points) for chart in found.charts for line in chart.lines)


def test_the_papers_figures_stand_beside_its_rates(fake: Callable[[Callable[[Load], Served]], None]) -> None:
    fake(lambda load: served(load.rate))
    rows = by_name(ecalls_fig6_7.measure(Plan()))
    printed = {key[0]: row.paper for key, row in rows.items() if row.paper is not None and row.unit == "%"}
    assert printed == {"2,000/s, 100 Mbit/s: select()": 25, "2,000/s, 100 Mbit/s: ECalls": 40}
    rows = by_name(ecalls_fig9_10.measure(Plan()))
    assert {key[:2]: row.paper for key, row in rows.items() if row.paper is not None} == {
        ("300/s: plain", "replies"): 80, ("300/s: controlled", "replies"): 140,
        ("300/s", "replies, plain / controlled"): pytest.approx(1 / 1.75),
        ("300/s", "response, controlled / plain"): 0.4}


@pytest.mark.parametrize(("controlled", "is_met"), [((140, 500.0), (True, True)), ((139, 1001.0), (False, False))])
def test_bars_of_overload_control(controlled: tuple[float, float], is_met: tuple[bool, bool],
                                  fake: Callable[[Callable[[Load], Served]], None]) -> None:
    fake(lambda load: served(*controlled) if load.thresholds[0] else served(80, 1000))
    rows = by_name(ecalls_fig9_10.measure(Plan(quick=True)))
    assert tuple(row.is_met for row in rows.values() if row.at_most is not None) == is_met


def test_goodput_is_lost_of_what_is_carried(fake: Callable[[Callable[[Load], Served]], None]) -> None:
    fake(lambda load: served(load.rate if load.rate in ecalls_goodput.CARRIED.values() else 30))
    rows = by_name(ecalls_goodput.measure(Plan()))
    lost = rows["complex page: ecalls, controlled", "lost at 10 times the load", "p2-450"]
    assert lost.ours == pytest.approx(1 - 30 / ecalls_goodput.CARRIED["complex"]) and not lost.is_met


def test_there_is_no_response_where_nobody_is_answered() -> None:
    assert response("row", "metric", "p2-450", served(1, 2.5)).ours == 2.5
    nobody = response("row", "metric", "p2-450", served(0, 0), paper=3)
    assert nobody.ours is None and nobody.paper == 3 and nobody.open


def test_the_quick_figure_stays_below_what_all_carry() -> None:
    assert all(load.rate <= ecalls_goodput.CARRIED["small"] for load in ecalls_fig6_7._loads(Plan(quick=True)))


@pytest.mark.long
def test_overload_control_keeps_the_goodput() -> None:
    page = Load("ecalls", 300, 2000, 1000, page=LARGER, work=ecalls_fig9_10.WORK)
    plain, controlled = (serve(Plan(), page._replace(thresholds=thresholds, least=0))
                         for thresholds in ((0, 0), ecalls_fig9_10.THRESHOLDS))
    assert controlled.replies > 1.75 * plain.replies and controlled.response < plain.response


@pytest.mark.long
def test_what_one_process_measures_another_one_does() -> None:
    load = Load("rings", 24_000, 10, 20, wire=GIGABIT)
    assert serve(Plan(), load) == serve(Plan(), load)
