"""The timeout server: IPC with timeouts where the kernel knows only never and zero (`uls`)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).with_name("user")))

from rooted import ENOUGH, LIBRARY, Program, image, run

from emu.machine import Machine
from emu.monitor.explore.explorer import Explorer, Report
from emu.monitor.explore.scenario import Scenario
from emu.result import Reason
from guest.abi.micro import IpcError


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where manifests go: one place, so that the root task is assembled once."""
    return tmp_path_factory.mktemp("images")


def test_a_cancellation_that_comes_just_after_completion_spares_the_next_ipc(directory: Path) -> None:
    """The first is canceled in time; the second is decided upon, but ends before the act: the third goes on."""
    done = run(image(directory, "uls", "race"))
    canceled = IpcError.IPC_CANCELED | IpcError.IPC_RECEIVE_PHASE
    assert done.lines == [f"canceled: error {canceled:d}", "answered: token 2", "the next one was in a receive: 2",
                          "answered: token 3", "end"]


@pytest.mark.parametrize("tick_hz", [10000, 17000])
def test_every_timed_ipc_ends_by_its_message_or_its_timeout_and_no_other_is_canceled(tick_hz: int,
                                                                                     directory: Path) -> None:
    done = run(image(directory, "uls", "overdue", parameters=f"TICK_HZ = {tick_hz}"))
    found = re.fullmatch(r"rounds: 120\nlost: 0\nmessages: (\d+)\ntimeouts: (\d+)", "\n".join(done.lines))
    assert found, done.console
    messages, timeouts = map(int, found.groups())
    assert messages > 10 and timeouts > 10         # so the border between them was crossed


def test_a_send_to_somebody_deaf_ends_after_the_ticks_that_were_given(directory: Path) -> None:
    done = run(image(directory, "uls", "send_timeout"))
    assert done.lines == [f"error {IpcError.IPC_CANCELED:d}", "ticks 4"]        # 3, and the rest of the current one


def test_more_threads_than_places_take_turns(directory: Path) -> None:
    done = run(image(directory, "uls", "crowd"))
    assert done.lines == ["canceled: 20"]


def explored(directory: Path, timeouts: Path) -> Report:
    """Place a tick at every boundary of the timeout server's turn in which late.asm's timeout ends."""
    booted = image(directory, "uls", Program("late", timeouts=timeouts))
    turn, canceling, end = map(booted.programs["late"].address,
                               ("timeout_turn", "exchange_registers", "timeout_server"))
    machine = Machine.boot(booted)
    turns = 0
    while machine.run(until=[turn, canceling], max_cycles=ENOUGH).eip == turn:
        turns += 1
    machine = Machine.boot(booted)
    for _ in range(turns):
        assert machine.run(until=turn, max_cycles=ENOUGH).reason == Reason.UNTIL
    return Explorer(Scenario(machine), to=end).explore()


def test_wherever_a_tick_interrupts_the_server_no_other_ipc_is_canceled(directory: Path) -> None:
    report = explored(directory, LIBRARY / "timeout.asm")
    assert report.tried > 20 and not report.broken


def test_without_tokens_a_tick_in_the_server_would_cancel_another_ipc(directory: Path) -> None:
    without = directory / "timeout.asm"
    without.write_text((LIBRARY / "timeout.asm").read_text().replace(" | EXREG_TOKEN", ""))
    report = explored(directory, without)
    assert {each.reason for each in report.broken} == {"exit code 1 instead of 0"}
