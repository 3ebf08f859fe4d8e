"""The Linux-like scheduler: its rules one by one, and against a model."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guest.abi.activations import ActError
from guest.abi.ecalls import CHANNEL, PCB, EcallError, Method
from guest.abi.linux import LINUX
from guest.abi.scheduling import Policy, SchedulingLimit
from tests.guest.ecalls.linux_model import Linux
from tests.guest.ecalls.stage import DEF_PRIORITY, RR_TICKS, Stage

OTHER, FIFO, RR, DWCS = Policy.SCHED_OTHER, Policy.SCHED_FIFO, Policy.SCHED_RR, Policy.SCHED_DWCS


def runs(stage: Stage, ticks: int) -> str:
    """Who runs behind each of so many ticks."""
    return "".join(map(str, stage.ticks(ticks)))


# Real time

def test_real_time_runs_before_the_others() -> None:
    stage = Stage.of(3)
    assert stage.set(2, RR, 1) == 0
    assert stage.running == 2 and runs(stage, 30) == "2" * 30


def test_fifo_runs_until_it_waits() -> None:
    stage = Stage.of(3)
    stage.set(2, FIFO, 5)
    stage.set(3, FIFO, 5)
    assert runs(stage, 8) == "2" * 8
    assert stage.sleep(2) == 3
    assert runs(stage, 6) == "3" * 6                      # 2 has come back behind it
    assert stage.sleep(3) == 2


def test_round_robin_takes_turns_by_slices() -> None:
    stage = Stage.of(3)
    for number in 3, 2, 1:
        stage.set(number, RR, 7)
    first = stage.running
    after = runs(stage, 18)
    changes = [at for at in range(1, 18) if after[at] != after[at - 1]]
    assert {b - a for a, b in pairwise(changes)} == {RR_TICKS}
    assert first == 3 and set(after) == set("123")


def test_a_higher_priority_preempts_at_once_and_who_was_preempted_goes_on_before_its_equals() -> None:
    stage = Stage.of(4)
    stage.set(4, FIFO, 9)
    stage.sleep(2)
    stage.set(2, FIFO, 5)
    stage.set(3, FIFO, 5)
    assert stage.running == 2
    assert runs(stage, 2) == "24"
    assert stage.sleep(50) == 2


def test_who_yields_goes_behind_its_equals_only() -> None:
    stage = Stage.of(3)
    stage.set(2, FIFO, 5)
    stage.set(3, FIFO, 5)
    assert stage.running == 2
    assert stage.yields() == 3
    assert stage.yields() == 2
    stage.set(3, FIFO, 4)
    assert stage.yields() == 2


def test_priorities_change_while_processes_are_queued() -> None:
    stage = Stage.of(4)
    stage.set(1, FIFO, 50)
    for number, priority in ((2, 10), (3, 20), (4, 30)):
        stage.set(number, FIFO, priority)
    assert stage.running == 1
    stage.set(2, FIFO, 40)
    stage.set(4, OTHER)
    assert stage.sleep(100) == 2
    assert stage.sleep(100) == 3
    assert stage.sleep(100) == 4


@pytest.mark.parametrize(("policy", "priority", "at_once"), [(OTHER, 0, 0), (FIFO, 4, 0), (FIFO, 6, 1)])
def test_a_kernel_handler_thread_is_scheduled_like_its_process(policy: Policy, priority: int, at_once: int) -> None:
    stage = Stage.of(2)
    stage.set(2, policy, priority)
    stage.set(1, FIFO, 5)
    if stage.running == 1:
        stage.sleep(2)
    number = stage.register(Method.METHOD_THREAD)
    channel = stage.word(stage.pcbs[2] + PCB.offsets["channels"] + 4 * number)
    assert stage.sleep(5) in (0, 1)
    while stage.running != 1:
        stage.tick()
    stage.raises(2)
    assert stage.decode(CHANNEL, channel).private == at_once       # the thread has run
    stage.sleep(50)
    stage.ticks(9)
    assert stage.decode(CHANNEL, channel).private == 1


def test_many_take_turns() -> None:
    stage = Stage.of(20, TICK_HZ=200)
    for number in range(20, 0, -1):
        stage.set(number, RR, 7)
    after = stage.ticks(20 * RR_TICKS)
    assert [after.count(number) for number in range(1, 21)] == [RR_TICKS] * 20


# The others

def test_slices_are_of_def_priority_ticks_and_the_sleeper_keeps_half() -> None:
    stage = Stage.of(2)
    assert stage.sleep(20) == 2
    before = stage.part(1, "linux", LINUX).counter
    stage.ticks(10)                                       # alone, 2 uses up its slices
    after = stage.part(1, "linux", LINUX).counter
    assert before < after < 2 * DEF_PRIORITY


def test_nice_makes_slices_longer_and_shorter() -> None:
    stage = Stage.of(3)
    stage.set(1, OTHER, -20)
    stage.set(2, OTHER, 10)
    after = runs(stage, 400)
    assert [round(after.count(number) / 400, 1) for number in "123"] == [0.6, 0.1, 0.3]     # 8 : 2 : 4
    assert stage.part(1, "linux", LINUX).priority == 8


def test_alone_a_process_may_yield() -> None:
    stage = Stage.of(1)
    assert stage.yields() == 1 and stage.yields() == 1
    stage.finish()


# What is refused, and learned

@pytest.mark.parametrize(("policy", "value"), [(RR, 0), (FIFO, 100), (RR, -1), (OTHER, 20), (OTHER, -21), (DWCS, 0),
                                               (99, 0)])
def test_what_makes_no_sense_is_refused(policy: Policy, value: int) -> None:
    stage = Stage.of(2)
    assert stage.set(0, policy, value) == ActError.ERR_ARGUMENT
    assert stage.set(77, RR, 1) == EcallError.ERR_PROCESS


def test_a_process_learns_how_it_is_scheduled() -> None:
    stage = Stage.of(2)
    stage.set(0, OTHER, -7)
    assert (stage.get(0).policy, stage.get(0).priority) == (OTHER, -7 & 0xFFFF_FFFF)
    stage.set(2, RR, SchedulingLimit.RT_PRIORITY_MAX)
    own = stage.get(0)
    assert stage.running == 2 and (own.policy, own.priority, own.left) == (RR, 99, RR_TICKS)


# Events

def test_of_equal_real_time_priority_who_has_events_runs_until_it_has_heard_them() -> None:
    stage = Stage.of(3)
    for number in 1, 2, 3:
        stage.set(number, RR, 7)
    while stage.running != 1:
        stage.tick()
    stage.raises(3)
    assert stage.running == 3 and runs(stage, 8) == "3" * 8
    stage.raises(2)                                       # a later event
    assert runs(stage, 5) == "3" * 5
    stage.hears(3)
    assert "2" in runs(stage, 4) and runs(stage, 8) == "2" * 8
    assert stage.queue() == [2]


def test_events_do_not_help_against_a_higher_priority() -> None:
    stage = Stage.of(3)
    stage.set(1, FIFO, 9)
    stage.set(2, FIFO, 8)
    stage.set(3, FIFO, 8)
    stage.raises(3)
    assert stage.running == 1
    assert stage.sleep(5) == 3


def test_of_the_others_who_has_events_runs_but_not_before_real_time() -> None:
    stage = Stage.of(3)
    stage.raises(3)
    assert runs(stage, 20) == "3" * 20                    # its slice is over: it has no tick left
    stage.set(2, RR, 1)
    assert runs(stage, 20) == "2" * 20


def test_a_process_that_waits_does_not_hide_the_events_of_another() -> None:
    stage = Stage.of(3)
    stage.raises(2)
    assert stage.running == 2
    stage.raises(3)
    assert stage.sleep(1000) == 3
    assert runs(stage, 30) == "3" * 30


def test_without_events_the_scheduler_does_not_look() -> None:
    stage = Stage.of(2, SCHED_EVENTS=0)
    stage.raises(2)
    assert stage.queue() == [2]
    assert set(runs(stage, 30)) == set("12")


def test_an_ended_process_leaves_nothing_in_the_queues() -> None:
    stage = Stage.of(4)
    for number in 2, 3, 4:
        stage.raises(number)
    while stage.running not in (0, 1):
        stage.ends()
    stage.finish()
    assert stage.queue() == []


# Against the model

NUMBERS = st.integers(1, 5)
STEPS = st.lists(st.one_of(
    st.tuples(st.just("tick"), st.integers(1, 6)),
    st.tuples(st.just("sleep"), st.integers(1, 9)),
    st.tuples(st.just("yields")),
    st.tuples(st.just("raises"), NUMBERS),
    st.tuples(st.just("hears"), NUMBERS),
    st.tuples(st.just("set"), NUMBERS, st.sampled_from([FIFO, RR]), st.integers(1, 3)),
    st.tuples(st.just("set"), NUMBERS, st.just(OTHER), st.integers(-20, 19)),
), min_size=1, max_size=40)


def counters(stage: Stage) -> dict[int, int]:
    """How many ticks processes have left, in the order of the run queue, then those that wait."""
    numbers = [*stage.order("linux_queue", "linux"), *stage.pcbs]
    return {number: stage.part(number, "linux", LINUX).counter for number in numbers}


def against_the_model(steps: list[tuple[Any, ...]]) -> None:
    stage = Stage.of(5)
    model = Linux(counters(stage))
    for kind, *arguments in steps:
        if kind == "tick":
            for _ in range(arguments[0]):
                model.tick()
                assert stage.tick() == model.running
        elif model.running:
            getattr(stage, kind)(*arguments)
            getattr(model, kind)(*arguments)
        assert stage.running == model.running
    assert counters(stage) == {number: process.counter for number, process in model.processes.items()}
    stage.finish()


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_every_decision_is_the_models(steps: list[tuple[Any, ...]]) -> None:
    against_the_model(steps)


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(STEPS)
def test_every_decision_of_many_is_the_models(steps: list[tuple[Any, ...]]) -> None:
    against_the_model(steps)
