"""What the machine counts: cycles add up to the clock whatever the processor, and nothing is lost between readings."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import asdict, fields

import pytest

from emu.counters import CAUSES, Counters
from emu.machine import Machine
from emu.result import Reason
from emu.timing.profile import load_profile, profiles
from loader.assembler import assemble
from loader.image import Image, Segment
from loader.linker import link
from loader.symbols import LineMap

SOME = 1_500_000            # cycles: the boot, programs, interrupts, and a page fault
PROCESSORS = [name for name in profiles() if name != "unit"]
EVENTS = [name for name, value in asdict(Counters()).items() if value == 0 and not name.endswith("cycles")]


def parts(counters: Counters) -> list[int]:
    """The times that make up the clock."""
    return [counters.idle_cycles, *counters.causes.values()]


@pytest.fixture
def boot() -> Callable[..., Machine]:
    """Makes a machine in front of a few instructions at 10000h; ";" ends one, and `end` is behind the last."""

    def make(source: str, cpu: str) -> Machine:
        text = f"# What the test runs.\n.global _start\n_start:\n{source.replace(';', chr(10))}\nend: jmp end\n"
        program = link([assemble(text, name="snippet")], base=0x10000, entry="_start", name="snippet")
        segments = [Segment(each.physical, bytes(each.data), each.memory_size) for each in program.segments]
        return Machine.boot(Image("snippet", "flat", 0x10000, segments, program.symbol_table, LineMap([])), cpu=cpu)

    return make


# The sum

@pytest.mark.parametrize("image", ["hello", "preempt"])
@pytest.mark.parametrize("cpu", profiles())
def test_idle_time_and_the_causes_add_up_to_the_clock_in_every_reading(cpu: str, image: str) -> None:
    rng = random.Random(cpu + image)
    machine = Machine.boot(image, cpu=cpu)
    before, reason = machine.counters, Reason.CYCLES
    while reason == Reason.CYCLES and before.cycles < SOME:
        reason = machine.run(max_cycles=rng.randrange(1, SOME // 10)).reason
        counters = machine.counters
        piece = counters - before
        assert sum(parts(counters)) == counters.cycles == machine.cpu.state.cycles
        assert sum(parts(piece)) == piece.cycles and min(parts(piece)) >= 0
        assert min(getattr(piece, name) for name in EVENTS) >= 0
        before = counters
    assert before.pipeline_cycles > 0
    assert (before.cache_cycles > 0, before.branch_cycles > 0, before.bus_cycles > 0) == (cpu != "unit",) * 3


@pytest.mark.parametrize("cpu", ["p5-166", "k7-550", "p4-1800"])
def test_a_run_in_pieces_counts_what_a_run_at_one_go_counts(cpu: str) -> None:
    whole, pieces, rng = Machine.boot("preempt", cpu=cpu), Machine.boot("preempt", cpu=cpu), random.Random(cpu)
    whole.run(max_cycles=SOME)
    while (left := SOME - pieces.clock.now) > 0:
        pieces.run(max_cycles=min(left, rng.randrange(1, 20_000)))
    assert pieces.counters == whole.counters


@pytest.mark.parametrize("cpu", PROCESSORS)
def test_where_nothing_faults_the_causes_are_what_the_timing_model_says_that_everyone_waited(cpu: str) -> None:
    machine = Machine.boot("hello", cpu=cpu)
    machine.run(until="sched_leave")
    assert machine.counters.traps.keys() <= {32, 128} and machine.cpu.costs.model
    waited = machine.cpu.costs.model.counters()
    assert machine.counters.cache_cycles == sum(waited[f"{kind}_stalls"] for kind in ("load", "store", "fetch"))
    assert machine.counters.branch_cycles == waited["branch_stalls"]
    assert machine.counters.tlb_cycles >= waited["walk_stalls"] > 0


# Each cause

def spent(machine: Machine) -> Counters:
    """What the instructions up to `end` cost, all of it in the caches already."""
    start = machine.cpu.registers.snapshot()
    machine.run(until="end")
    for name in ("eax", "ecx", "edx", "eip"):
        setattr(machine.cpu.registers, name, start[name])
    before = machine.counters
    machine.run(until="end")
    return machine.counters - before


def test_a_halt_is_idle_time(boot: Callable[..., Machine]) -> None:
    machine = boot("sti; hlt", "p3-500")
    machine.run(max_cycles=100_000)
    assert 95_000 < machine.counters.idle_cycles < 100_000


@pytest.mark.parametrize("cpu", PROCESSORS)
def test_a_port_costs_the_bus_time_of_the_profile(cpu: str, boot: Callable[..., Machine]) -> None:
    profile = load_profile(cpu)
    assert profile.timing
    counted = spent(boot("in al, 0x21; in al, 0x21; mov edx, 0xcf8; in eax, dx", cpu))
    isa, pci = (round(each.typical * profile.clock / 1e9)
                for each in (profile.timing.ports.isa_read, profile.timing.ports.pci_read))
    assert (counted.bus_cycles, counted.io_accesses) == (2 * isa + pci, 3)


def test_a_transition_costs_what_the_profile_says(boot: Callable[..., Machine]) -> None:
    timing = load_profile("p4-1800").timing
    assert timing
    counted = spent(boot("cli; rdtsc", "p4-1800"))
    assert counted.transition_cycles == timing.transitions["cli"].typical + timing.transitions["rdtsc"].typical


def test_a_loop_in_the_caches_costs_the_pipeline_alone(boot: Callable[..., Machine]) -> None:
    counted = spent(boot("mov ecx, 100; again: inc eax; inc edx; dec ecx; jnz again", "p5-166"))
    assert counted.instructions == 401
    assert counted.pipeline_cycles == pytest.approx(200, abs=3)         # two pairs an iteration
    assert counted.cache_cycles == counted.tlb_cycles == counted.bus_cycles == counted.transition_cycles == 0
    assert counted.branches == 100


# The reading

def test_crossings_are_counted_by_kind() -> None:
    counters = Machine.boot("hello", cpu="p3-500").run().counters
    entered = counters.crossings["sysenter"] + sum(counters.traps.values())
    left = counters.crossings["sysexit"] + counters.crossings["iret"]
    assert 1 <= entered <= left + 1                                     # the last system call does not return
    assert set(counters.crossings) == {"sysenter", "sysexit", "iret"}


def test_a_unit_counts_no_events_of_what_it_does_not_have() -> None:
    counters = Machine.boot("hello").run().counters
    assert {name for name in EVENTS if getattr(counters, name)} == {"instructions", "io_accesses"}
    assert [cause for cause in CAUSES if counters.causes[cause]] == ["pipeline", "transition"]


def test_the_difference_of_two_readings_has_what_came_between_them() -> None:
    before = Counters(cycles=10, traps={3: 1, 14: 2}, crossings={"iret": 5})
    after = Counters(cycles=15, traps={3: 1, 14: 3, 32: 1}, crossings={"iret": 5, "retf": 1})
    assert after - before == Counters(cycles=5, traps={14: 1, 32: 1}, crossings={"retf": 1})
    assert before - Counters() == before


def test_a_result_and_json_hold_every_counter() -> None:
    result = Machine.boot("hello").run(max_cycles=1000)
    shown = json.loads(json.dumps(result.as_dict()))
    assert {each.name for each in fields(Counters)} < set(shown)
    assert (shown["cycles"], shown["instructions"]) == (result.cycles, result.counters.instructions)
