"""KIP_CEILING: who is less urgent than its scheduler asks for does not get the processor by IPC."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.monitor.explore.explorer import Explorer, Report
from emu.monitor.explore.scenario import Scenario
from guest.abi.micro import Exreg, KipFeature, Label, MicroSize, MicroState, Preemption
from tests.guest.micro.extensions.programs import image, word
from tests.guest.micro.puppets import ANY, Failed, Message, Puppet, Stage

CEILING = int(KipFeature.KIP_CEILING)
NOWHERE = 0x3000_0000       # an address where nothing is
SERVICE, WORK = 20, 60      # steps of low's service, and of medium's work


@pytest.fixture
def stage(stages: Callable[..., Stage]) -> Stage:
    """A stage with ceilings."""
    return stages("uls", EXTENSIONS=CEILING)


class Cast:
    """A scheduler with a thread that is urgent and one that is not; that one waits for anybody, the other one runs."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.scheduler = stage.thread()
        self.high, self.low = (stage.thread(scheduler=self.scheduler) for _ in range(2))
        self.grant(self.low, 1)
        self.low.receive(ANY)
        self.grant(self.high, 3)

    def grant(self, thread: Puppet, urgency: int, *, ceiling: int = 0) -> None:
        """The scheduler lets a thread go on, and says how urgent it is."""
        scheduler = self.scheduler
        self.stage.let(thread).switch()
        assert scheduler.is_current
        got = scheduler.got
        assert isinstance(got, Message) and got.sender is thread
        scheduler.set_utcb("ceiling", ceiling)
        assert scheduler.reply_and_wait(thread, *got.words, urgency) is thread


@pytest.fixture
def cast(stage: Stage) -> Cast:
    """A scheduler and its two threads."""
    return Cast(stage)


def asked(scheduler: Puppet) -> tuple[Puppet | int, int, int]:
    """The preemption message that a scheduler has received last: from whom, why, and the thread that it names."""
    got = scheduler.got
    assert isinstance(got, Message) and got.label == Label.LABEL_PREEMPTION
    return got.sender, got.words[2], got.words[3]


# Urgency

def test_a_scheduler_says_how_urgent_a_thread_is(cast: Cast) -> None:
    assert (cast.low.field("urgency"), cast.high.field("urgency")) == (1, 3)


def test_without_that_word_it_stays(cast: Cast) -> None:
    cast.high.switch()
    got = cast.scheduler.got
    assert isinstance(got, Message) and len(got.words) == MicroSize.STATE_WORDS
    cast.scheduler.reply_and_wait(cast.high, *got.words)
    cast.high.switch()
    cast.scheduler.reply_and_wait(cast.high)
    assert cast.high.is_current and cast.high.field("urgency") == 3


def test_an_exception_handler_has_no_say_in_it(stage: Stage) -> None:
    handler, thread = stage.thread(), stage.thread()
    stage.let(handler).receive(ANY)
    stage.let(thread).set_utcb("handler", handler.id)
    assert thread.goes_on("puppet_undefined") is handler
    got = handler.got
    assert isinstance(got, Message) and got.label == Label.LABEL_EXCEPTION
    handler.reply_and_wait(thread, got.words[0] + 2, *got.words[1:], 77)
    assert thread.is_current and thread.field("urgency") == 0


# The ceiling

@pytest.mark.parametrize("way", ["fast", "slow"])
@pytest.mark.parametrize("ceiling", [0, 1, 2, 3, 0xFFFF_FFFF])
def test_a_call_passes_at_or_above_the_ceiling_only(cast: Cast, gate: str, ceiling: int, way: str) -> None:
    cast.stage.gate = gate
    cast.grant(cast.high, 3, ceiling=ceiling)
    cast.high.call(cast.low, 7, typed=[] if way == "fast" else [(0xA, 0)])
    if ceiling <= 1:
        assert cast.low.is_current
    else:
        assert cast.scheduler.is_current
        assert asked(cast.scheduler) == (cast.low, Preemption.PREEMPTED_CEILING, cast.high.id)
        assert cast.scheduler.reply_and_wait(cast.low) is cast.low      # who decides may
    assert cast.low.got.words == (7,)                                   # type: ignore[union-attr]


def test_an_answer_to_one_who_is_urgent_passes(cast: Cast) -> None:
    cast.high.call(cast.low)
    cast.grant(cast.low, 1, ceiling=2)
    assert cast.low.reply_and_wait(cast.high) is cast.high


def test_the_ceiling_of_another_scheduler_is_none(cast: Cast) -> None:
    other = cast.stage.thread()
    cast.grant(cast.high, 3, ceiling=2)
    cast.stage.let(other).receive(ANY)
    cast.stage.let(cast.high)
    assert cast.high.call(other) is other


def test_the_root_scheduler_is_below_no_ceiling(cast: Cast) -> None:
    cast.stage.direct().set_utcb("ceiling", 9)
    for thread in (cast.scheduler, cast.low, cast.high):
        cast.stage.let(thread)
    assert cast.high.call(cast.stage.root) is cast.stage.root


@pytest.mark.parametrize("ceiling", [1, 2])
def test_who_is_not_urgent_enough_does_not_get_the_processor_by_a_send(cast: Cast, ceiling: int) -> None:
    cast.grant(cast.high, 3, ceiling=ceiling)
    cast.high.send(cast.low, grant=True)
    assert asked(cast.scheduler)[0] is (cast.high if ceiling == 1 else cast.low)        # who has lost


@pytest.mark.parametrize("ceiling", [1, 2])
def test_nor_by_the_receive_of_its_message(cast: Cast, ceiling: int) -> None:
    cast.stage.let(cast.low).send(cast.high, 5)
    cast.grant(cast.high, 3, ceiling=ceiling)
    cast.high.receive(ANY, grant=True)
    assert cast.high.got == Message(cast.low, 0, (5,))
    assert asked(cast.scheduler)[0] is (cast.high if ceiling == 1 else cast.low)


@pytest.mark.parametrize("ceiling", [1, 2])
def test_exchange_registers_grants_the_processor_to_urgent_ones_only(cast: Cast, ceiling: int) -> None:
    cast.grant(cast.high, 3, ceiling=ceiling)
    cast.high.exchange(cast.low, Exreg.EXREG_CANCEL_RECEIVE | Exreg.EXREG_GRANT)
    assert isinstance(cast.low.got, Failed)
    loser = cast.high if ceiling == 1 else cast.low
    assert asked(cast.scheduler)[0] is loser


def test_a_page_fault_asks_for_a_pager_that_is_urgent(cast: Cast) -> None:
    cast.high.set_utcb("pager", cast.low.id)
    cast.grant(cast.high, 3, ceiling=2)
    assert cast.high.reads(NOWHERE) is cast.scheduler
    assert asked(cast.scheduler) == (cast.low, Preemption.PREEMPTED_CEILING, cast.high.id)
    assert cast.scheduler.reply_and_wait(cast.low) is cast.low
    got = cast.low.got
    assert isinstance(got, Message) and got.label & ~7 == Label.LABEL_PAGE_FAULT


def test_a_scheduler_that_is_busy_hears_of_it_later(cast: Cast) -> None:
    cast.grant(cast.high, 3, ceiling=2)
    cast.high.switch()
    scheduler = cast.scheduler
    scheduler.ipc(cast.high, cast.stage.root)                   # it waits for the root scheduler alone
    assert cast.high.is_current
    assert cast.high.call(cast.low) in (None, cast.stage.root)
    assert cast.low.state == MicroState.IS_SENDING and scheduler.pending == [cast.low]


# Priority inversion

def rounds(folder: Path, extensions: int) -> Machine:
    """inversion.asm, where medium begins its work and nothing else can run."""
    machine = Machine.boot(image(folder, "inversion", extensions, SERVICE=SERVICE, WORK=WORK, ROUNDS=2))
    machine.run(until=machine.image.programs["inversion"].address("medium_works"))  # type: ignore[union-attr]
    return machine


def every_tick(folder: Path, extensions: int, **how: int) -> tuple[Report, list[int]]:
    """A tick, which wakes high, at every instruction of medium's work: how far low ran ahead each time."""
    found: list[int] = []
    machine = rounds(folder, extensions)
    scenario = Scenario(machine, exit_code=0, check=lambda at_end: found.append(word(at_end, "inversion:ran_ahead")))
    del found[:]
    report = Explorer(scenario, to="inversion:rest").explore(**how)     # type: ignore[arg-type]
    assert not report.broken and report.tried - report.held == len(found)
    return report, found


def test_without_a_ceiling_low_runs_ahead_for_its_whole_service(tmp_path: Path) -> None:
    _, found = every_tick(tmp_path, 0)
    assert set(found) == {0, SERVICE}
    assert found.count(SERVICE) >= WORK                 # wherever medium was at work


def test_with_a_ceiling_it_never_does(tmp_path: Path) -> None:
    report, found = every_tick(tmp_path, CEILING)
    assert set(found) == {0} and report.tried >= WORK


def test_nor_with_two_ticks(tmp_path: Path) -> None:
    _, found = every_tick(tmp_path, CEILING, depth=2, sample=150)
    assert set(found) == {0}


@pytest.mark.long
def test_nor_with_any_two_ticks(tmp_path: Path) -> None:
    _, found = every_tick(tmp_path, CEILING, depth=2)
    assert set(found) == {0} and len(found) > WORK * WORK
