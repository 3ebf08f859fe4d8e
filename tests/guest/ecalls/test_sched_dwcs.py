"""DWCS: its rules one by one, against a model, and what it promises."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.abi.activations import ActError
from guest.abi.dwcs import DWCS
from guest.abi.ecalls import EcallError
from guest.abi.kernel import Error
from guest.abi.scheduling import Policy, WindowFlag
from loader.manifest import VARIANTS
from tests.guest.ecalls.dwcs_model import Dwcs, Window
from tests.guest.ecalls.stage import Stage

UNPROMISED, CONSERVING = WindowFlag.WINDOW_UNPROMISED, WindowFlag.WINDOW_WORK_CONSERVING
STATE = ("left", "x", "y", "met", "missed", "violations")


def machine(count: int, **parameters: int) -> Stage:
    """A stage with so many processes."""
    return Stage.of(count, "ecalls-dwcs", **parameters)


def runs(stage: Stage, ticks: int) -> str:
    """Who runs behind each of so many ticks."""
    return "".join(map(str, stage.ticks(ticks)))


def windows(stage: Stage, *asked: Window) -> None:
    """Windows for processes 1, 2, ..., all from the next slot on."""
    for number, window in enumerate(asked, start=1):
        assert stage.window(number, window.period, window.runtime, window.x, window.y, window.flags) == 0


def test_the_kernel_is_the_other_one_but_for_its_scheduler() -> None:
    mine, other = (tomllib.loads((VARIANTS / f"{name}.toml").read_text()) for name in ("ecalls-dwcs", "ecalls"))
    for variant in (mine, other):
        variant["sources"] = [source for source in variant["sources"] if "dwcs" not in source and "linux" not in source]
    assert mine == other


# Who runs

def test_best_effort_takes_turns_by_slots() -> None:
    assert runs(machine(3), 6) == "231231"


def test_a_window_comes_before_best_effort_and_leaves_the_rest_to_it() -> None:
    stage = machine(3)
    windows(stage, Window(4, 1, 0, 1))
    assert runs(stage, 12) == "132312321323"


def test_the_earliest_deadline_runs() -> None:
    stage = machine(2)
    windows(stage, Window(7, 3, 0, 1), Window(3, 1, 0, 1))
    assert runs(stage, 8) == "21121021"                    # in slot 5 both have had theirs


def test_of_equal_deadlines_the_tighter_window_runs() -> None:
    stage = machine(4)
    windows(stage, Window(4, 1, 2, 4), Window(4, 1, 1, 4), Window(4, 1, 0, 2), Window(4, 1, 0, 5))
    assert runs(stage, 4) == "4321"                        # 0/5 before 0/2 before 1/4 before 2/4


def test_of_equal_windows_the_one_with_fewer_misses_runs() -> None:
    stage = machine(2)
    windows(stage, Window(2, 1, 2, 4), Window(2, 1, 1, 2))
    assert runs(stage, 2) == "21"


def test_who_has_run_in_its_period_waits_even_if_nobody_else_can_run() -> None:
    stage = machine(1)
    windows(stage, Window(5, 2, 0, 1))
    assert runs(stage, 10) == "1100011000"


def test_a_work_conserving_process_has_what_is_left_before_best_effort() -> None:
    stage = machine(2)
    windows(stage, Window(5, 2, 0, 1, CONSERVING))
    assert runs(stage, 10) == "1" * 10
    assert stage.get(1).met == 2


def test_who_yields_has_done_its_work_of_the_period() -> None:
    stage = machine(2)
    windows(stage, Window(5, 3, 0, 1))
    assert stage.tick() == 1
    assert stage.yields() == 2
    assert runs(stage, 5) == "22221"
    assert stage.part(1, "dwcs", DWCS).met == 1


def test_a_slot_is_not_taken_away_but_what_is_left_of_it_costs_nobody_anything() -> None:
    stage = machine(3)
    windows(stage, Window(10, 4, 0, 1), Window(4, 2, 0, 1))
    assert stage.tick() == 2
    assert stage.sleep(1) == 1                             # in what is left
    assert stage.part(1, "dwcs", DWCS).left == 4
    assert stage.tick() == 2 and stage.part(2, "dwcs", DWCS).left == 1


def test_who_comes_back_late_does_not_get_more_than_its_share() -> None:
    stage = machine(2)
    windows(stage, Window(4, 2, 0, 1), Window(4, 2, 0, 1))
    assert stage.tick() == 1
    assert stage.sleep(2) == 2                             # 1 comes back with a slot to get, of two
    assert runs(stage, 8) == "22122112"                    # that could not be more than half, so it gets it
    stage = machine(2)
    windows(stage, Window(4, 2, 0, 1), Window(4, 2, 0, 1))
    assert stage.tick() == 1
    assert stage.sleep(3) == 2                             # now it would be all of what is left: a new period
    assert runs(stage, 14) == "22112211221122"
    assert [stage.part(number, "dwcs", DWCS).missed for number in (1, 2)] == [0, 0]


def test_many_get_what_was_promised() -> None:
    stage = machine(20, TICK_HZ=200)
    windows(stage, *[Window(40, 2, 0, 1)] * 19)
    after = stage.ticks(120)
    assert [after.count(number) for number in range(1, 21)] == [6] * 20
    assert [stage.part(number, "dwcs", DWCS).missed for number in range(1, 20)] == [0] * 19


# Windows

def test_windows_are_written_on_as_west_and_schwan_do() -> None:
    stage = machine(2)
    windows(stage, Window(1, 1, 1, 2, UNPROMISED), Window(1, 1, 2, 3, UNPROMISED))
    assert runs(stage, 12) == "121211121211"
    assert [stage.part(number, "dwcs", DWCS).violations for number in (1, 2)] == [0, 0]


def test_a_violation_makes_a_window_tighter_until_it_meets_a_period() -> None:
    stage = machine(2)
    windows(stage, Window(3, 3, 0, 1), Window(2, 1, 0, 1, UNPROMISED))
    stage.ticks(7)
    state = stage.part(2, "dwcs", DWCS)
    assert (state.missed, state.violations, state.x, state.y, state.tagged) == (3, 3, 0, 4, 1)
    stage.sleep(5)
    stage.ticks(2)
    state = stage.part(2, "dwcs", DWCS)
    assert (state.met, state.y, state.tagged) == (1, 1, 0)


# Admission

def test_shares_up_to_one_are_admitted() -> None:
    stage = machine(5)
    windows(stage, Window(3, 1, 0, 1), Window(6, 2, 1, 2), Window(9, 3, 0, 1))
    assert stage.window(4, 65535, 1, 0, 1) == EcallError.ERR_ADMISSION
    assert stage.window(4, 65535, 1, 0, 1, UNPROMISED) == 0
    assert stage.window(3, 10, 3, 0, 1) == 0               # it gives its own back
    assert stage.window(4, 31, 1, 0, 1) == 0
    assert stage.window(2, 6, 3, 0, 1) == EcallError.ERR_ADMISSION
    assert stage.part(2, "dwcs", DWCS).runtime == 2


@pytest.mark.parametrize("values", [(0, 1, 0, 1), (65536, 1, 0, 1), (4, 0, 0, 1), (4, 5, 0, 1), (4, 1, 2, 1),
                                    (4, 1, 0, 0), (4, 1, 0, 256), (4, 1, 0, 1, 4)])
def test_what_makes_no_sense_is_refused(values: tuple[int, ...]) -> None:
    stage = machine(2)
    assert stage.window(0, *values) == ActError.ERR_ARGUMENT
    assert stage.set(0, Policy.SCHED_RR, 1) == ActError.ERR_ARGUMENT
    assert stage.set(0, Policy.SCHED_DWCS, 0xC010_0000) == Error.ERR_ADDRESS
    assert stage.set(9, Policy.SCHED_OTHER) == EcallError.ERR_PROCESS
    assert stage.get(0).policy == Policy.SCHED_OTHER


def test_a_share_that_is_given_back_is_in_use_up_to_its_deadline() -> None:
    stage = machine(3)
    windows(stage, Window(10, 5, 0, 1), Window(8, 4, 0, 1))
    assert runs(stage, 4) == "2222"
    assert stage.set(2, Policy.SCHED_OTHER) == 0
    assert stage.window(3, 2, 1, 0, 1) == 0
    stage.ticks(60)
    assert stage.part(1, "dwcs", DWCS).missed == stage.part(3, "dwcs", DWCS).missed == 0


def test_unpromised_windows_do_not_harm_promised_ones() -> None:
    stage = machine(3)
    windows(stage, Window(3, 2, 0, 1), Window(1, 1, 0, 1, UNPROMISED), Window(3, 1, 0, 1))
    stage.ticks(61)
    assert [stage.part(number, "dwcs", DWCS).missed for number in (1, 2, 3)] == [0, 60, 0]


def test_dwcs_fails_at_any_utilization() -> None:
    """Mok and Wang (RTSS 2001) have shown that; this set is ours, for deadlines before windows. Two jobs of one slot in
    `period`, and one that has to run in one slot of 255: 2/period + 1/255 of the processor. It has the earlier deadline
    in every slot but the last of a period, so one of the others misses each.
    """
    for period in (15, 60):
        stage = machine(3)
        rare = Window(1, 1, 254, 255, UNPROMISED)
        windows(stage, rare, Window(period, 1, 0, 1, UNPROMISED), Window(period, 1, 0, 1, UNPROMISED))
        stage.ticks(2 * period + 1)
        assert sum(stage.part(number, "dwcs", DWCS).violations for number in (2, 3)) == 2


# Events

def test_of_equal_deadlines_who_has_events_runs_if_there_is_time_for_the_other() -> None:
    stage = machine(3)
    windows(stage, Window(4, 2, 0, 1), Window(4, 2, 1, 2))
    stage.raises(2)
    assert runs(stage, 8) == "22112211"


def test_events_do_not_help_where_another_would_be_violated() -> None:
    stage = machine(4)
    windows(stage, Window(4, 2, 0, 1, UNPROMISED), Window(4, 2, 0, 1, UNPROMISED), Window(4, 1, 1, 2, UNPROMISED))
    stage.raises(3)
    assert sorted(runs(stage, 4)) == list("1122")
    assert [stage.part(number, "dwcs", DWCS).violations for number in (1, 2, 3)] == [0, 0, 0]


def test_who_has_events_runs_instead_of_best_effort_and_of_work_conserving_ones() -> None:
    stage = machine(3)
    windows(stage, Window(6, 1, 0, 1), Window(6, 1, 0, 1, CONSERVING))
    stage.raises(1)
    assert runs(stage, 12) == "111211111211"               # in a slot of its own, the server's, and what nobody needs
    stage.hears(1)
    assert runs(stage, 7) == "1222221"


def test_the_server_gives_the_rest_of_the_processor_to_events() -> None:
    stage = machine(3)
    windows(stage, Window(4, 2, 0, 1), Window(1, 1, 0, 1, UNPROMISED))
    stage.raises(3)                                        # best effort: behind both
    order = runs(stage, 40)
    assert stage.part(1, "dwcs", DWCS).missed == 0
    assert order.count("1") == 20 and order.count("3") == 0      # what 2 wants without promise leaves nothing
    windows(stage, Window(4, 2, 0, 1), Window(1, 1, 3, 4, UNPROMISED))
    stage.ticks(8)
    order = runs(stage, 40)
    assert (order.count("1"), order.count("3"), order.count("2")) == (20, 10, 10)


def test_without_events_the_scheduler_does_not_look() -> None:
    stage = machine(2, SCHED_EVENTS=0)
    stage.raises(2)
    assert stage.queue() == [2]
    assert runs(stage, 6) == "212121"


def test_an_ended_process_leaves_nothing_in_the_queues() -> None:
    stage = machine(4)
    windows(stage, Window(4, 2, 0, 1), Window(8, 2, 0, 1, CONSERVING), Window(8, 2, 0, 1, UNPROMISED))
    for number in (2, 3, 4):
        stage.raises(number)
    stage.tick()
    stage.finish()
    assert stage.queue() == [] and stage.kernel("dwcs_promised") == stage.kernel("dwcs_wanted") == 0


# Against the model

NUMBERS = st.integers(1, 5)
WINDOWS = st.builds(lambda period, runtime, x, y, flags: Window(period, min(period, runtime), min(x, y), y, flags),
                    st.integers(1, 12), st.integers(1, 4), st.integers(0, 3), st.integers(1, 4), st.integers(0, 3))
STEPS = st.lists(st.one_of(
    st.tuples(st.just("tick"), st.integers(1, 9)),
    st.tuples(st.just("set"), NUMBERS, WINDOWS),
    st.tuples(st.just("set"), NUMBERS, WINDOWS),
    st.tuples(st.just("set"), NUMBERS, st.none()),
    st.tuples(st.just("sleep"), st.integers(1, 12)),
    st.tuples(st.just("yields")),
    st.tuples(st.just("raises"), NUMBERS),
    st.tuples(st.just("hears"), NUMBERS),
), min_size=1, max_size=50)


def against_the_model(steps: list[tuple[Any, ...]], aware: bool = True) -> None:
    stage = machine(5, **({} if aware else {"SCHED_EVENTS": 0}))
    model = Dwcs(stage.order("dwcs_rest", "dwcs"), aware, stage.kernel("slot"))
    for kind, *arguments in steps:
        if kind == "tick":
            for _ in range(arguments[0]):
                model.tick()
                assert stage.tick() == model.running
        elif model.running:
            if kind == "set":
                number, window = arguments
                answer = stage.window(number, window.period, window.runtime, window.x, window.y, window.flags) \
                    if window else stage.set(number, Policy.SCHED_OTHER)
                assert answer == (0 if model.set(number, window) else EcallError.ERR_ADMISSION)
            else:
                getattr(stage, kind)(*arguments)
                getattr(model, kind)(*arguments)
        assert stage.running == model.running
    for number, process in model.processes.items():
        state = stage.part(number, "dwcs", DWCS)
        if process.window:
            assert [getattr(state, name) for name in STATE] == [getattr(process, name) for name in STATE]
            assert not process.window.promised or not process.missed
    stage.finish()


@settings(max_examples=40, deadline=None)
@given(STEPS, st.booleans())
def test_every_decision_is_the_models_and_promises_are_kept(steps: list[tuple[Any, ...]], aware: bool) -> None:
    against_the_model(steps, aware)


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(STEPS, st.booleans())
def test_every_decision_of_many_is_the_models(steps: list[tuple[Any, ...]], aware: bool) -> None:
    against_the_model(steps, aware)
