"""The tables about upcalls: what they measure with, and what comes out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from emu.timing.profile import load_profile
from tools.reproduce import (
    activations_busy,
    activations_extensions,
    activations_reactivity,
    activations_table1,
    activations_table2,
    activations_table3,
    activations_worst,
    papers,
    runs,
)
from tools.reproduce.plan import Plan
from tools.reproduce.table import Findings, Row

QUICK = Plan(quick=True)
Found = dict[tuple[str, str], Row]      # by row and metric


def by_name(found: Findings) -> Found:
    rows = {(row.row, row.metric): row for row in found.rows}
    assert len(rows) == len(found.rows)
    return rows


def ours(found: Found, row: str, metric: str) -> float:
    value = found[row, metric].ours
    assert value is not None
    return value


@pytest.fixture(scope="module")
def table1() -> Found:
    return by_name(activations_table1.measure(QUICK))


@pytest.fixture(scope="module")
def table2() -> Found:
    return by_name(activations_table2.measure(QUICK))


@pytest.fixture(scope="module")
def table3() -> Found:
    return by_name(activations_table3.measure(QUICK))


@pytest.fixture(scope="module")
def reactivity() -> Found:
    return by_name(activations_reactivity.measure(QUICK))


# What tables are measured with.

def test_ranks_are_of_the_times_themselves() -> None:
    lost = activations_busy.Lost(np.arange(100, 0, -1.0))
    assert (lost.median, lost.rank(99), lost.rank(100), lost.rank(1)) == (50, 99, 100, 1)
    assert activations_busy.Lost(np.array([3.0])).median == 3


def test_a_byte_is_sent_at_each_cycle_that_is_asked_for() -> None:
    clock = load_profile("p4-1800").clock
    sent = [clock * ms // 1000 for ms in (30, 31, 50)]
    run = runs.run("activations-interrupted", "p4-1800", "input none 55", sent=sent)
    arrived = run.path("input-regular").occurrences["begin"]
    assert len(arrived) == 3
    assert np.diff(arrived) == pytest.approx(np.diff(sent), abs=clock // 10_000)      # a character time at most


def test_the_instruction_behind_is_that_of_the_run_itself() -> None:
    run = runs.run("activations-upcalls", "unit", "tick 3 int plain")
    ended = run.path("tick-upcall").occurrences
    assert run.behind(ended).tolist() == [1] * len(ended) == [1, 1, 1]              # a RET, one cycle on `unit`


def test_the_paper_overhead_is_the_difference_of_its_rows() -> None:
    printed = papers.figures("activations.table1")
    for way in ("upcall", "signal"):
        assert printed[way] - printed["regular"] == pytest.approx(printed["overhead"][way])
    restart = papers.figures("activations.table2")
    assert restart["restart_unblocked"] - restart["getpid"] - restart["upcall_overhead"] == pytest.approx(
        restart["restart_beyond_syscall_and_upcall"])


# The tables themselves.

@pytest.mark.parametrize("event", activations_busy.EVENTS)
def test_an_upcall_costs_less_than_a_signal(table1: Found, event: str) -> None:
    regular, upcall, signal = (ours(table1, event, label) for label in activations_table1.LABELS.values())
    assert regular < upcall < signal
    assert ours(table1, event, "upcall, overhead") == pytest.approx(upcall - regular)
    assert table1[event, "overhead, upcall / signal"].is_met


def test_only_the_tick_stands_beside_the_paper(table1: Found) -> None:
    assert {row.row for row in table1.values() if row.paper is not None} == {"tick"}


def test_a_restart_is_a_system_call_and_what_is_beyond_it(table2: Found) -> None:
    for call in ("INT 80h", "SYSENTER"):
        null, restart, beyond = (ours(table2, call, metric) for metric in (
            "getpid()", "restart of an unblocked activation", "restart beyond system call and upcall"))
        assert restart == pytest.approx(null + beyond)
        assert ours(table2, call, "that, of a system call") == pytest.approx(beyond / null)
    assert ours(table2, "SYSENTER", "getpid()") < ours(table2, "INT 80h", "getpid()")


def test_a_processor_without_sysenter_has_no_row_of_it() -> None:
    found = by_name(activations_table2.measure(Plan(load_profile("p5-166"), quick=True)))
    assert {row for row, _ in found} == {"upcall", "INT 80h"}


def test_user_threads_switch_and_end_faster_than_kernel_threads(table3: Found) -> None:
    kernel, pm2 = (ours(table3, "yield()", label) for label in ("kernel threads", "PM2-like"))
    assert table3["yield()", "PM2-like / kernel threads"].is_met
    assert pm2 < ours(table3, "yield()", "POSIX-like") < kernel
    few = f"sumtime({activations_table3.QUICK_FEW})"
    sums = [ours(table3, few, label) for label in ("PM2-like", "POSIX-like", "kernel threads")]
    assert sums == sorted(sums)
    for label in ("PM2-like", "POSIX-like", "kernel threads"):
        assert ours(table3, few, f"{label}, the first time") > ours(table3, few, label)


def test_kernel_threads_wait_for_their_turn_and_upcalls_do_not(reactivity: Found) -> None:
    def median(ready: int, way: str) -> float:
        return ours(reactivity, f"{ready} ready", f"{way}, median")

    assert 2_000 < median(4, "kernel threads") < 5_000
    for way in ("upcalls", "signals"):
        assert median(4, way) < 10
    assert median(0, "kernel threads") < 10


def test_the_longest_is_where_the_lock_or_the_kernel_is_held_and_says_where() -> None:
    found = by_name(activations_worst.measure(QUICK))
    for label in activations_worst.WINDOWS:
        longest = found[label, "from a tick anywhere, the longest"]
        assert ours(found, label, longest.metric) > ours(found, label, "from a tick while it computes")
        assert longest.notes[0].startswith("In front of sys_")


def test_extensions_cost_when_they_are_used() -> None:
    found = by_name(activations_extensions.measure(QUICK))
    over = {what: ours(found, "tick", f"{label}: overhead") for what, label in activations_extensions.LABELS.items()}
    assert 0 < over["plain"] <= over["ready"] < over["late"]
    assert over["timer"] > 0
    assert over["original"] > 2 * over["plain"]


def test_the_figures_are_the_same_every_time(reactivity: Found) -> None:
    assert by_name(activations_reactivity.measure(QUICK)) == reactivity


@pytest.mark.long
@pytest.mark.parametrize("measure", [activations_table1.measure, activations_table2.measure, activations_table3.measure,
                                     activations_reactivity.measure, activations_worst.measure],
                         ids=["table1", "table2", "table3", "reactivity", "worst"])
def test_a_whole_table_can_be_measured(measure: Callable[[Plan], Findings]) -> None:
    found = measure(Plan())
    assert all(row.ours is not None for row in found.rows)
