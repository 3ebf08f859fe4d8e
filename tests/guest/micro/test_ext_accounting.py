"""KIP_ACCOUNTING: no cycle is lost, and the host agrees whose each was.

The law is checked with the kernel's own figures (Accounts), and these with what the host has seen (Ledger): the cycle
of every RDTSC with which the kernel charges somebody, and whose processor it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from emu.machine import Machine
from emu.monitor.monitor import Monitor
from emu.result import Reason
from guest.abi.micro import KipFeature
from tests.guest.micro import random_callers
from tests.guest.micro.extensions.audit import Accounts, Ledger
from tests.guest.micro.puppets import ANY, Puppet, Stage

ACCOUNTING = int(KipFeature.KIP_ACCOUNTING)
L4_HAS = ACCOUNTING | int(KipFeature.KIP_BACKLOG)
ALL = L4_HAS | int(KipFeature.KIP_BUDGET | KipFeature.KIP_CEILING)
LINE = 5
NOWHERE = 0x3000_0000       # an address where nothing is
SWITCHES, ENDS = 400, 40   # that are looked at
WORK, ENTRY = 5000, 400     # instructions that a thread works, cycles that the kernel needs besides


@pytest.fixture(params=[ACCOUNTING, ALL], ids=["alone", "with all others"])
def stage(stages: Callable[..., Stage], request: pytest.FixtureRequest) -> Stage:
    """A stage with accounting."""
    return stages("uls", EXTENSIONS=request.param)


def used(thread: Puppet) -> tuple[int, int]:
    """What a thread has used, and what was donated to it."""
    return tuple(thread.field(f"{name}_low") | thread.field(f"{name}_high") << 32    # type: ignore[return-value]
                 for name in ("used", "donated"))


def works(thread: Puppet) -> None:
    """A thread keeps the processor for WORK instructions."""
    assert thread.is_current
    thread.stage.machine.run(max_instructions=WORK)
    thread.stage.run()


def about(cycles: int, *, times: int = 1) -> bool:
    """Is that what a thread pays that has worked so often?"""
    return times * WORK <= cycles < times * (WORK + ENTRY)


# Whose cycle it was

def test_who_was_called_uses_what_is_donated(stage: Stage) -> None:
    client, server = stage.thread(), stage.thread()
    stage.let(server).receive(ANY)
    stage.let(client)
    before = used(client), used(server)
    works(client)
    client.call(server)
    works(server)
    server.reply_and_wait(client)
    works(client)
    stage.direct()
    (own, other), (own_server, donated) = ((now[0] - then[0], now[1] - then[1])
                                           for now, then in zip((used(client), used(server)), before, strict=True))
    assert about(own, times=2) and other == 0
    assert about(donated) and own_server == 0


def test_a_slow_call_donates_as_a_fast_one_does(stage: Stage) -> None:
    client, server = stage.thread(), stage.thread()
    stage.let(server).receive(ANY)
    stage.let(client)
    before = used(server)
    client.call(server, typed=[0xA, 0])                 # a grant of nothing: an item, for the slow path
    works(server)
    server.reply_and_wait(client, typed=[0xA, 0])
    assert used(server)[0] == before[0] and about(used(server)[1] - before[1])


def test_all_of_a_chain_run_on_the_grant_of_the_first(stage: Stage) -> None:
    threads = [stage.thread() for _ in range(4)]
    for thread in threads[1:]:
        stage.let(thread).receive(ANY)
    stage.let(threads[0])
    before = [used(thread) for thread in threads]
    for caller, called in pairwise(threads):
        caller.call(called)
        works(called)
    stage.direct()
    for thread, then in zip(threads[1:], before[1:], strict=True):
        own, donated = used(thread)
        assert own == then[0] and about(donated - then[1])


def test_who_was_preempted_runs_on_the_grant_of_its_scheduler(stage: Stage) -> None:
    client, server = stage.thread(), stage.thread()
    stage.attach(LINE, stage.root)
    stage.let(server).receive(ANY)
    stage.let(client).call(server)
    assert stage.interrupt(LINE) is stage.root
    before = used(server)
    works(stage.let(server))
    stage.direct()
    assert about(used(server)[0] - before[0]) and used(server)[1] == before[1]


def test_a_scheduler_that_is_called_works_for_the_caller(stage: Stage) -> None:
    scheduler = stage.thread()
    thread = stage.thread(scheduler=scheduler)
    stage.let(thread)
    before = used(scheduler)
    thread.call(scheduler)
    works(scheduler)
    scheduler.reply_and_wait(thread)                    # a grant: the rest of that is the thread's own
    assert used(scheduler)[0] == before[0] and about(used(scheduler)[1] - before[1])
    before = used(thread)
    works(thread)
    stage.direct()
    assert about(used(thread)[0] - before[0]) and used(thread)[1] == before[1]


def test_a_page_fault_is_the_faulters_time(stage: Stage) -> None:
    pager = stage.thread()
    thread = stage.thread(pager=pager)
    stage.let(pager).receive(ANY)
    stage.let(thread)
    before = used(pager)
    assert thread.reads(NOWHERE) is pager
    works(pager)
    stage.direct()
    assert used(pager)[0] == before[0] and about(used(pager)[1] - before[1])


def test_who_is_given_the_processor_by_one_that_could_have_kept_it_uses_his_own(stage: Stage) -> None:
    scheduler, taker = stage.thread(), stage.thread()
    giver = stage.thread(scheduler=scheduler)
    stage.let(taker).receive(ANY)
    stage.let(giver).switch()
    assert scheduler.ipc(giver, taker) is giver         # its scheduler does not hear that it loses the processor
    before = used(taker)
    assert giver.send(taker, grant=True) is taker
    works(taker)
    stage.direct()
    assert about(used(taker)[0] - before[0]) and used(taker)[1] == before[1]


def test_the_idle_thread_uses_what_nobody_else_does(stage: Stage) -> None:
    machine, idle = stage.machine, stage.machine.address("idle_ktcb")
    stage.attach(LINE, stage.root)
    assert stage.root.receive(ANY) is stage.root        # it hears that nobody can run
    assert stage.root.receive(LINE << 14 | 1) is None
    accounts = Accounts(machine)
    before = accounts.threads()[idle]
    machine.run(max_cycles=100_000)
    stage.interrupt(LINE)
    own, donated = accounts.threads()[idle]
    assert 100_000 <= own - before[0] < 100_000 + ENTRY and donated == before[1]
    accounts.check()


def test_what_a_thread_has_used_stays_when_it_is_deleted(stage: Stage) -> None:
    accounts = Accounts(stage.machine)
    thread = stage.thread()
    works(stage.let(thread))
    stage.direct()
    gone, its = accounts.gone, sum(used(thread))
    stage.root.delete(thread)
    assert accounts.gone - gone == its > WORK
    accounts.check()


def test_what_a_thread_does_to_end_itself_is_gone_with_it(stage: Stage) -> None:
    accounts = Accounts(stage.machine)
    thread = stage.thread()
    stage.let(thread)
    gone, its = accounts.gone, sum(used(thread))
    works(thread)
    thread.delete(thread)
    assert accounts.gone - gone > its + WORK
    accounts.check()


def test_a_grant_of_one_that_is_gone_is_donated(stage: Stage) -> None:
    client, server = stage.thread(), stage.thread()
    stage.let(server).receive(ANY)
    stage.let(client).call(server)
    server.delete(client)
    before = used(server)
    works(server)
    stage.direct()
    assert used(server)[0] == before[0] and used(server)[1] > before[1]


# The host's audit, of random callers: every kind of call, interrupts, threads that end and begin

def storm(folder: Path, variant: str, cpu: str, seed: int) -> Machine:
    """A machine that has just begun to count."""
    machine = random_callers.boot(folder, variant, seed, cpu=cpu, EXTENSIONS=ALL if variant == "uls" else L4_HAS)
    machine.run(until="run")
    return machine


@pytest.mark.parametrize("cpu", ["unit", "p5-166", "p3-500", "pd-3000"])
def test_the_law_holds_at_every_switch(variant: str, cpu: str, tmp_path: Path) -> None:
    machine = storm(tmp_path, variant, cpu, 1)
    accounts, places = Accounts(machine), Ledger(machine).places
    moment = accounts.last
    for switch in range(SWITCHES):
        machine.run(until=places)
        assert switch == 0 or accounts.last == moment
        accounts.check()
        moment = machine.cpu.state.cycles
    assert accounts.gone


@pytest.mark.parametrize("cpu", ["unit", "p5-166", "pd-3000"])
def test_the_hosts_own_accounts_are_the_kernels(variant: str, cpu: str, tmp_path: Path) -> None:
    machine = storm(tmp_path, variant, cpu, 2)
    accounts, ledger = Accounts(machine), Ledger(machine)
    ends = 0
    while ends < ENDS:
        with Monitor(machine, marks=ledger.places, sink=ledger):
            result = machine.run(until="account_close")
        assert result.reason == Reason.UNTIL
        assert ledger.last == accounts.last
        assert +ledger.cycles == +Counter({at: sum(both) for at, both in accounts.threads().items()})
        assert ledger.gone == accounts.gone
        ledger.end(machine.cpu.registers.edi)
        ends += 1
