"""Latencies of interrupts, and times for which they were off."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from emu.crossings import Kind
from emu.machine import Machine
from emu.monitor.monitor import Monitor
from emu.monitor.names import Names
from emu.monitor.paths.latency import flag_marks, latencies, table, window_table, windows
from loader.boot import load
from loader.symbols import SymbolTable

sys.path.insert(0, str(Path(__file__).parent))
from crossing_rows import K, U, row, rows

ON_OFF, OFF_ON, OFF, ON = (True, False), (False, True), (False, False), (True, True)
NAMES = Names(SymbolTable([("masked", 0x100, 16), ("open", 0x200, 16)]), programs={
    "a": SymbolTable([("main", 0x8048000)]), "b": SymbolTable([("main", 0x8048000)])})


def test_a_latency_begins_when_the_device_asserts_the_line() -> None:
    crossings = rows(
        row(Kind.INTERRUPT, 1000, U, K, line=0, waited=40, cost=300), row(Kind.MARK, 1400), row(Kind.IRET, 1900, K, U),
        row(Kind.INTERRUPT, 5000, U, K, line=4, waited=0, cost=310), row(Kind.IRET, 5500, K, K),
        row(Kind.SYSEXIT, 5600, K, U, cost=7))
    first, second = latencies(crossings)
    assert (first.line, second.line) == (0, 4)
    assert first.interrupts[0].tolist() == (960, 500, 40, 340, 940)
    assert second.interrupts[0].tolist() == (5000, 2500, 0, 310, 607)


@pytest.mark.parametrize("between", [
    row(Kind.IDLE, 1500, cost=100), row(Kind.LOST, 1500), row(Kind.INTERRUPT, 1500, K, K, line=0)])
def test_a_program_that_runs_much_later_is_not_waited_for(between: dict[str, object]) -> None:
    crossings = rows(row(Kind.INTERRUPT, 1000, U, K, line=0, cost=10), between, row(Kind.IRET, 2000, K, U))
    found = latencies(crossings)[0]
    assert found.interrupts["user"][0] == -1
    assert found.spread("user").get("min") in (None, 500)


def test_without_interrupts_there_are_no_lines() -> None:
    assert latencies(rows(row(Kind.SYSENTER, 0))) == []
    assert latencies(rows()) == []
    assert windows(rows()) == []


def test_a_window_is_from_where_interrupts_go_off_to_where_they_go_on() -> None:
    crossings = rows(
        row(Kind.SYSENTER, 100, U, K, flag=ON_OFF, thread=9, **{"from": 0x100}),
        row(Kind.IRET, 350, K, K, flag=OFF), row(Kind.SYSEXIT, 400, K, U, flag=OFF_ON, **{"from": 0x200}),
        row(Kind.INTERRUPT, 1000, U, K, flag=ON_OFF), row(Kind.IRET, 1700, K, U, flag=OFF_ON))
    first, second = windows(crossings)
    assert (first.cycles, first.begin, first.instructions) == (700, 1000, 500)
    assert (second.cycles, second.off, second.on, second.thread, second.exact) == (300, 0x100, 0x200, 9, True)
    assert windows(crossings, most=1) == [first]


def test_a_flag_that_changed_between_records_is_found_in_front_of_the_later_one() -> None:
    crossings = rows(row(Kind.MARK, 100, flag=ON), row(Kind.MARK, 200, flag=OFF, to=0x101, **{"from": 0x101}),
                     row(Kind.MARK, 300, flag=ON, to=0x201, **{"from": 0x201}))
    (rough,) = windows(crossings)
    assert (rough.cycles, rough.begin, rough.off, rough.on, rough.exact) == (100, 200, 0x101, 0x201, False)
    (exact,) = windows(crossings, {0x101: 0x100, 0x201: 0x200})
    assert (exact.cycles, exact.begin, exact.off, exact.on, exact.exact) == (100, 200, 0x100, 0x200, True)
    assert window_table([exact], NAMES).splitlines()[1].split() == ["100", "masked", "open", "200", "100"]


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.BEGIN, Kind.END])
def test_a_window_that_was_not_seen_whole_is_left_out(kind: Kind) -> None:
    for flag in (ON, OFF):
        crossings = rows(row(Kind.SYSENTER, 100, U, K, flag=ON_OFF), row(kind, 200, flag=flag),
                         row(Kind.SYSEXIT, 400, K, U, flag=OFF_ON), row(Kind.SYSENTER, 1100, U, K, flag=ON_OFF),
                         row(Kind.SYSEXIT, 1400, K, U, flag=OFF_ON))
        assert [(each.begin, each.cycles) for each in windows(crossings)] == [(1100, 300)]
    assert windows(rows(row(Kind.BEGIN, 0, flag=OFF), row(Kind.IRET, 50, flag=OFF_ON))) == []
    assert windows(rows(row(Kind.SYSENTER, 0, flag=ON_OFF))) == []


def test_a_place_in_a_program_is_named_by_its_space() -> None:
    crossings = rows(row(Kind.SYSENTER, 0, U, K, flag=ON_OFF, space=0x6000, **{"from": 0x8048004}),
                     row(Kind.SYSEXIT, 9, K, U, flag=OFF_ON, space=0x6000, **{"from": 0x200}))
    (one,) = windows(crossings)
    assert one.places(NAMES, {0x5000: "a", 0x6000: "b"}) == ("b:main+0x4", "open")
    assert one.as_dict(NAMES)["off_at"] == "a:main+0x4"


def test_every_instruction_of_the_kernel_that_changes_the_flag_has_a_mark() -> None:
    image = load("preempt")
    names = Names.of(image)
    found = {names.name(address) for address in flag_marks(image).values()}
    assert {"idle+0x5", "idle+0x7", "panic_begin"} <= found
    assert {behind - address for behind, address in flag_marks(image).items()} == {1}


def test_an_image_without_a_line_map_has_no_marks(tmp_path: Path) -> None:
    (tmp_path / "code.bin").write_bytes(b"\xfa\xfb\xf4")
    assert flag_marks(load(tmp_path / "code.bin", address=0x100000)) == {}


def test_the_kernels_windows_are_those_found_by_looking_at_the_flag() -> None:
    machine = Machine.boot("preempt", cpu="p3-500")
    assert machine.image
    marked = flag_marks(machine.image)
    monitor = Monitor(machine, marks=marked)
    with monitor:
        machine.run()
    crossings = monitor.crossings
    found = windows(crossings, marked, most=None)
    again = Machine.boot("preempt", cpu="p3-500")
    assert found[0].exact and all(each.cycles <= found[0].cycles for each in found)
    for each in sorted(found[:4], key=lambda window: window.begin):
        again.run(max_instructions=each.instructions - 1 - again.counters.instructions)
        assert again.cpu.registers.eflags & 0x200
        again.run(max_instructions=2)
        assert not again.cpu.registers.eflags & 0x200
        while not again.cpu.registers.eflags & 0x200:
            again.run(max_instructions=1)
        assert abs(again.counters.cycles - each.begin - each.cycles) <= 1000
    (line,) = latencies(crossings)
    assert len(line.interrupts) == machine.irqs[0]
    assert np.array_equal(line.interrupts["handler"] >= line.interrupts["accepted"], np.ones(machine.irqs[0], bool))
    assert len(table([line]).splitlines()) == 4
    json.dumps([line.as_dict(), *(each.as_dict(Names.of(machine.image)) for each in found)])
