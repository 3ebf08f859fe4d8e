"""Looking at the threads of the kernel `activations`."""

from __future__ import annotations

from pathlib import Path

import pytest

from emu.machine import Machine
from emu.monitor.inspect import activations, threads
from guest.abi.activations import ThreadNumber
from loader.build import build
from tests.guest.activations.conftest import SELDOM, write_manifest


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """With a program whose threads wait for all there is to wait for, run, and have ended."""
    write_manifest(tmp_path / "test.toml", ["exit_all", "witness"], kernel=SELDOM)
    return Machine.boot(build(tmp_path / "test.toml"))


def test_before_the_kernel_is_up_there_are_no_threads(machine: Machine) -> None:
    assert threads.kind(machine) is activations
    machine.run(until="start")
    assert threads.threads(machine) == []


def test_all_threads_are_listed_whatever_they_do(machine: Machine) -> None:
    machine.run(until="thread_leaves")                      # the last one ends
    found = threads.threads(machine)
    assert [each.number for each in found] == list(range(10))
    assert [each.name for each in found] == ["idle", "exit_all", "witness", *["exit_all"] * 7]
    assert [each.state for each in found] == ["idle", *["waiting"] * 7, "ready", "ended"]
    assert [each.number for each in found if each.current] == [9]
    assert threads.find(machine, "witness (2)").directory != found[1].directory == found[9].directory


def test_the_running_thread_is_known_and_whose_stack_it_stands_on(machine: Machine) -> None:
    machine.run(until="sys_thread_join")
    thread = threads.current(machine)
    assert thread is not None and (thread.name, thread.state) == ("exit_all", "running")
    assert threads.on_stack(machine) == thread
    assert thread.number == 7


def test_a_thread_that_waits_has_kept_where_it_goes_on(machine: Machine) -> None:
    machine.run(until="thread_leaves")
    waits = threads.find(machine, "1")
    assert machine.where(threads.saved_registers(machine, waits)["eip"]).startswith(("wait_instead", "switch"))


def test_a_number_that_comes_again_has_another_generation(tmp_path: Path) -> None:
    write_manifest(tmp_path / "test.toml", ["who_am_i"], kernel=SELDOM)
    machine = Machine.boot(build(tmp_path / "test.toml"))
    machine.run(until="sys_thread_join")
    machine.step()
    machine.run(until="thread_make")
    machine.run(until="sched_ready")
    assert [each.number for each in threads.threads(machine)] == [0, 1, ThreadNumber.NUMBER_NEXT + 2]
