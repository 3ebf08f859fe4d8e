"""A ledger adds up to what it is about, cycle by cycle and cause by cause, and its rows are what ran."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emu.counters import CAUSES
from emu.crossings import Kind
from emu.machine import Machine
from emu.monitor.monitor import Monitor
from emu.monitor.paths.ledger import Ledger, Place, ledger
from loader.boot import load
from loader.image import Image
from tools.bench.kernel import sleeping

PROFILES = ["unit", "p5-166", "p3-500", "p4-1800"]


@pytest.fixture(scope="module")
def preempt() -> Image:
    return load("preempt")


def crossings(image: Image, profile: str, **limits: int) -> Any:
    machine = Machine.boot(image, cpu=profile)
    with Monitor(machine) as monitor:
        machine.run(**limits)
    return monitor.crossings


def place(record: Any) -> Place:
    return Place(int(record["instructions"]), int(record["cycle"]))


def between(image: Image, profile: str, begin: Any, end: Any) -> Ledger:
    return ledger(Machine.boot(image, cpu=profile), place(begin), place(end))


def causes(begin: Any, end: Any) -> dict[str, int]:
    """What the records at both ends say."""
    return {cause: (int(end[cause]) - int(begin[cause])) % (1 << 32) for cause in CAUSES[1:]}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_ledger_of_an_interrupt_adds_up_to_its_records(preempt: Image, profile: str) -> None:
    records = crossings(preempt, profile)
    at = np.flatnonzero((records["kind"][:-1] == Kind.INTERRUPT) & (records["kind"][1:] == Kind.IRET))[0]
    begin, end = records[at], records[at + 1]
    found = between(preempt, profile, begin, end)
    assert found.cycles == end["cycle"] - begin["cycle"] > 0
    assert found.instructions == end["instructions"] - begin["instructions"]
    assert {cause: found.causes[cause] for cause in CAUSES[1:]} == causes(begin, end)
    assert found.rows[0].is_event and found.rows[0].text.startswith("IRQ 0 (vector 0x20)")
    assert found.rows[0].cycles == begin["cost"]
    assert (found.rows[-1].text, found.rows[-1].where) == ("iretd", "trap_exit+0x6")
    assert all(sum(row.causes.values()) == row.cycles for row in found.rows)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_ledger_of_a_fault_begins_with_it(preempt: Image, profile: str) -> None:
    records = crossings(preempt, profile)
    fault = records[records["kind"] == Kind.EXCEPTION][0]
    begin = place(fault)
    machine = Machine.boot(preempt, cpu=profile)
    machine.run(until="fault")
    end = Place(machine.cpu.state.instructions, machine.cpu.state.cycles)
    found = ledger(Machine.boot(preempt, cpu=profile), begin, end)
    assert (found.rows[0].text, found.rows[0].cycles, found.rows[0].cpl) == ("#PF error 0x4", fault["cost"], 3)
    assert found.rows[0].address == fault["from"] and found.rows[0].where == "crash:count_members+0x2"
    assert found.rows[1].where.startswith("vector_stubs+") and found.rows[1].cpl == 0
    assert found.cycles == end.cycle - begin.cycle


def test_rows_name_the_source_of_their_instructions(preempt: Image) -> None:
    records = crossings(preempt, "unit", max_instructions=9_000_000)
    at = np.flatnonzero(records["kind"] == Kind.INTERRUPT)[0]
    found = between(preempt, "unit", records[at], records[at + 1])
    names = {row.where.split("+")[0]: row.file for row in found.rows if row.file}
    assert names["sched_tick"].endswith("kernel/sched.asm")
    assert {row.line for row in found.rows if row.where == "sched_tick"} <= set(range(50, 84))


def test_a_mispredicted_branch_pays_for_itself(preempt: Image) -> None:
    """The penalty stands at the branch, not at what comes behind it."""
    records = crossings(preempt, "p3-500")
    at = np.flatnonzero((records["kind"][:-1] == Kind.INTERRUPT) & (records["kind"][1:] == Kind.IRET))[0]
    rows = between(preempt, "p3-500", records[at], records[at + 1]).rows
    paid = [row.text.split()[0] for row in rows if row.causes["branch"]]
    assert paid and all(name.startswith(("j", "call", "ret")) for name in paid)


def test_idle_time_is_a_row_of_its_own() -> None:
    image = sleeping()
    records = crossings(image, "p3-500", max_cycles=9_000_000)
    at = np.flatnonzero(records["kind"] == Kind.IDLE)[2]
    begin, end = records[at - 1], records[at + 2]
    found = ledger(Machine.boot(image, cpu="p3-500"), place(begin), place(end))
    idle = [row for row in found.rows if row.text == "idle"]
    assert [row.cycles for row in idle] == [row.causes["idle"] for row in idle]
    assert sum(row.cycles for row in idle) >= records[at]["cost"] > 0
    assert found.cycles == end["cycle"] - begin["cycle"]


def test_a_machine_of_another_run_is_refused(preempt: Image) -> None:
    records = crossings(preempt, "p3-500")
    at = np.flatnonzero(records["kind"] == Kind.INTERRUPT)[0]
    with pytest.raises(ValueError, match="boot the same image"):
        ledger(Machine.boot(preempt, cpu="k7-550"), place(records[at]), place(records[at + 1]))


def test_it_tells_how_far_it_is(preempt: Image) -> None:
    records = crossings(preempt, "unit")
    at = np.flatnonzero(records["kind"] == Kind.INTERRUPT)[0]
    heard: list[int] = []
    found = ledger(Machine.boot(preempt), place(records[at]), place(records[at + 1]), told=heard.append)
    assert heard[-1] == found.instructions and heard == sorted(heard)
