"""Tables of the ECalls paper: what crossings cost, and what follows from that."""

from __future__ import annotations

import pytest

from emu.timing.profile import load_profile
from tools.reproduce import ecalls_breakeven, ecalls_latency, ecalls_table1, papers
from tools.reproduce.plan import Plan
from tools.reproduce.table import Findings, Row

CPU = "k7-550"
QUICK = Plan(load_profile(CPU), quick=True)


def ours(found: Findings, row: str, metric: str = "cost") -> float:
    """Our figure."""
    value = by_name(found, row, metric).ours
    assert value is not None
    return value


def by_name(found: Findings, row: str, metric: str = "cost") -> Row:
    """The row of that name."""
    [one] = [each for each in found.rows if (each.row, each.metric) == (row, metric)]
    return one


@pytest.fixture(scope="module")
def table1() -> Findings:
    return ecalls_table1.measure(QUICK)


@pytest.fixture(scope="module")
def breakeven() -> Findings:
    return ecalls_breakeven.measure(QUICK)


def test_all_rows_of_the_paper_stand_beside_ours(table1: Findings) -> None:
    theirs = {key: value for key, value in papers.figures("ecalls.table1").items() if isinstance(value, float)}
    assert len(theirs) == 11
    shown = {row.paper: row.ours for row in table1.rows if row.unit == "us" and row.paper is not None}
    assert set(shown) == set(theirs.values())
    assert all(value and value > 0 for value in shown.values())


def test_what_does_less_costs_less(table1: Findings) -> None:
    assert ours(table1, "Fast User-ECall") < ours(table1, "system call, by SYSENTER") < ours(table1, "system call")
    assert ours(table1, "Fast User-ECall, by INT 81h") < ours(table1, "system call")
    assert ours(table1, "system call") < ours(table1, "system call by the name of a service")
    assert (ours(table1, "Deferred User-ECall, scheduler without events")
            < ours(table1, "Deferred User-ECall, scheduler with an event")
            < ours(table1, f"the same with {ecalls_table1.BATCH} events")
            < ecalls_table1.BATCH * ours(table1, "Deferred User-ECall, scheduler with an event"))
    assert (ours(table1, "kernel handler function")
            < ours(table1, "user handler function of the running program")
            < ours(table1, "user handler function") < ours(table1, "real-time signal"))
    assert ours(table1, "real-time signal to oneself") < ours(table1, "kernel handler thread") * 10


def test_a_bar_is_the_ratio_of_its_rows(table1: Findings) -> None:
    fast = by_name(table1, "Fast User-ECall / system call", "ratio")
    assert fast.ours == pytest.approx(ours(table1, "Fast User-ECall") / ours(table1, "system call"))
    assert fast.paper == pytest.approx(3.1 / 4.9) and fast.is_met
    handler = by_name(table1, "user handler / real-time signal", "ratio")
    assert handler.ours == pytest.approx(ours(table1, "user handler function") / ours(table1, "real-time signal"))
    assert by_name(table1, "deferred library call / system call", "ratio").is_met


def test_every_figure_says_what_it_is_made_of(table1: Findings) -> None:
    assert all("instructions" in row.notes[0] for row in table1.rows if row.unit == "us")


def test_a_processor_without_sysenter_has_open_rows() -> None:
    p5 = Plan(load_profile("p5-166"), quick=True)
    assert not ecalls_table1._has(p5, "p5-166", ecalls_table1.FAST)
    assert ecalls_table1._has(p5, "p5-166", ecalls_table1.FAST_INT)


def test_several_deferred_events_cost_less_than_fast_ones(breakeven: Findings) -> None:
    one, eight = (ours(breakeven, f"{count} events", "deferred") for count in (1, 8))
    fast = ours(breakeven, "1 event", "fast, INT 81h")
    assert eight < 8 * one and eight < 8 * fast
    assert by_name(breakeven, "break-even", "deferred below fast, INT 81h").ours in (1, 2, 8)


def test_a_latency_is_from_the_first_that_was_not_heard_of() -> None:
    assert ecalls_latency.between([10, 20, 50], [5, 30, 40, 55]) == [20, 5]
    assert ecalls_latency.between([], [1]) == ecalls_latency.between([1], []) == []


def test_a_user_handler_hears_before_a_signal_does() -> None:
    plan = Plan(load_profile("p2-450"), quick=True)
    points = [ecalls_latency.Point("p2-450", way, 1) for way in ("user", "signal")]
    user, signal = (ecalls_latency._latencies(plan, point) for point in points)
    assert user == sorted(user) and signal == sorted(signal)
    assert user[-1] < signal[0]
