"""ecalls.fig4_5: what it measures, and what it makes of that."""

from __future__ import annotations

import pytest

from tools.reproduce import ecalls_fig4_5 as fig
from tools.reproduce.ecalls_fig4_5 import CPU, ECALLS, POLL, RATE, RR, TIMED, Played, Point
from tools.reproduce.plan import Plan
from tools.reproduce.runs import RunError
from tools.reproduce.table import Row

QUICK = Plan(quick=True)


def played(*displayed: int, busy: float = 0.5) -> Played:
    """Players that have displayed so many of 30 frames."""
    return Played(displayed, 30, 0, 0, busy)


def by_name(rows: list[Row]) -> dict[tuple[str, str, str], Row]:
    found = {(row.cpu, row.row, row.metric): row for row in rows}
    assert len(found) == len(rows)
    return found


def test_rates_are_frames_in_time_over_the_length_of_the_stream() -> None:
    each = played(30, 20, 10)
    assert (each.mean, each.worst) == (RATE * 2 / 3, RATE / 3)
    assert each.missed == pytest.approx(1 / 3)


def test_the_bar_is_about_loads_that_do_not_fill_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {1: played(30), 10: played(*[30] * 9, 29, busy=0.98), 16: played(*[20] * 16, busy=1)}
    monkeypatch.setattr(fig, "_play", lambda plan, point: rates.get(point.players, played(15, busy=1)))
    found = fig.measure(QUICK)
    rows = by_name(found.rows)
    assert rows[CPU, "players", "from so many on the processor is full, with ECalls"].ours == 16
    lost = {way: rows[CPU, "up to 10 players", f"share of its rate that the worst player loses, {way}"]
            for way in (ECALLS, TIMED, POLL)}
    assert {way: row.ours for way, row in lost.items()} == pytest.approx({ECALLS: 1 / 30, TIMED: 1 / 30, POLL: 0.5})
    assert [row.is_met for row in lost.values()] == [True, None, None]
    assert [[line.name for line in chart.lines] for chart in found.charts] == [[TIMED, POLL, ECALLS]] * 2
    assert found.charts[0].lines[0].points == ((1, 15), (10, 14.95), (16, 10))


def test_a_processor_that_is_never_full_leaves_that_row_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fig, "_play", lambda plan, point: played(*[30] * point.players))
    row = fig.measure(QUICK).rows[0]
    assert (row.ours, row.open) == (None, "not measured with so many")


def test_every_point_is_measured_once_and_has_rows() -> None:
    points = fig._points(CPU, Plan())
    assert len(set(points)) == len(points)
    rows = by_name(fig._rows(dict.fromkeys(points, played(30)), CPU))
    assert len(rows) == 6 * len(points)
    assert {point.cpu for point in points} == {CPU, fig.OTHER}


def test_players_are_played() -> None:
    found = fig._play(QUICK, Point(CPU, ECALLS, RR, 3))
    assert (found.displayed, found.frames, found.late, found.in_vain) == ((36, 36, 36), 36, 0, 0)
    assert found.busy == pytest.approx(0.3, abs=0.03)


def test_players_that_do_not_end_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fig, "TAIL", -2)
    with pytest.raises(RunError, match=r"^1 player, timed waits, slices of 150 ms, on p2-450: 1 have not ended"):
        fig._play(QUICK, Point(CPU, TIMED, RR, 1))


@pytest.mark.long
def test_with_ecalls_nobody_loses_and_without_them_who_polls_does() -> None:
    rows = by_name(fig.measure(QUICK).rows)
    assert rows[CPU, "up to 10 players", f"share of its rate that the worst player loses, {ECALLS}"].ours == 0
    polled = rows[CPU, "up to 10 players", f"share of its rate that the worst player loses, {POLL}"].ours
    timed, ecalls = (rows[CPU, "16 players", f"frames a second, {way}"].ours for way in (TIMED, ECALLS))
    assert polled and polled > 0.5
    assert timed and ecalls and timed < ecalls
