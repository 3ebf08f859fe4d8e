"""Formats: what they say is what was recorded, and those they are for can read them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lcov_cobertura import LcovCobertura
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace as PerfettoTrace
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackEvent

from emu.crossings import Bits, Kind
from emu.machine import Machine
from emu.monitor.formats import folded, jsonl, lcov, perfetto, text
from emu.monitor.names import Names
from emu.monitor.trace.file import Trace
from emu.monitor.trace.tracing import record
from loader.boot import load
from loader.image import Image
from tests.emu.monitor.trace_rows import CALL, JUMP, RETURN, Rows


@pytest.fixture(scope="module")
def preempt() -> Image:
    return load("preempt")


@pytest.fixture(scope="module", params=["unit", "p3-500"])
def traced(request: Any, preempt: Image) -> Trace:
    trace, _ = record(Machine.boot(preempt, cpu=request.param), blocks=True)
    assert trace is not None
    return trace


def story() -> Rows:
    """A program calls, is interrupted, makes a system call; the kernel jumps from function to function."""
    rows = Rows()
    rows.ring = 3
    rows.crossing(Kind.BEGIN, 0x8000, 0x8000, ring=3)
    rows.block(0x8000, CALL).block(0x8100, RETURN)
    rows.crossing(Kind.INTERRUPT, 0x8004, 0x2000, vector=0x20, line=0, cost=7, waited=3).block(0x2000)
    rows.crossing(Kind.IRET, 0x2002, 0x8004, ring=3).block(0x8004)
    rows.crossing(Kind.SYSENTER, 0x8006, 0x2000).block(0x2000, CALL).block(0x1000, JUMP).block(0x1100, RETURN)
    rows.crossing(Kind.IDLE, 0x2004, 0x2004, cost=100).block(0x2004)
    return rows.crossing(Kind.SYSEXIT, 0x2006, 0x8008, ring=3).block(0x8008).crossing(Kind.END, 0x800A, 0x800A, ring=3)


# Text

def test_crossings_are_lines() -> None:
    assert list(text.crossings(story().trace(ended="exit 0"))) == """\
# made on unit, 1 MHz
#      cycle      took  ring  thread       what
           0         -  3>3   prog (1)     begin: prog:main
          20         -  3>0   prog (1)     IRQ0 timer (waited 3, cost 7): prog:main+0x4 -> entry
          37        17  0>3   prog (1)     iret: entry+0x2 -> prog:main+0x4
          47         -  3>0   prog (1)     sysenter: prog:main+0x6 -> entry
          77       100  0>0   prog (1)       idle: entry+0x4
         187       140  0>3   prog (1)     sysexit: entry+0x6 -> prog:main+0x8
         197         -  3>3   prog (1)     end: prog:main+0xa
# ended: exit 0""".splitlines()


def test_functions_are_lines_within_each_other() -> None:
    assert list(text.functions(story().trace())) == """\
# made on unit, 1 MHz
#      cycle      took  ring  thread       function
           0         -  3     prog (1)     begin: prog:main
           0            3     prog (1)     main() {
          10        10  3     prog (1)       leaf()
          20            3>0   prog (1)       IRQ0 timer (waited 3, cost 7): prog:main+0x4 -> entry {
          27        10  0     prog (1)         entry()
          37        17  0     prog (1)       } IRQ0 timer by iret
          47            3>0   prog (1)       sysenter: prog:main+0x6 -> entry {
          47            0     prog (1)         entry() {
          57        10  0     prog (1)           f() -> g
          67        10  0     prog (1)           g()
          77       100  0     prog (1)           idle: entry+0x4
         187       140  0     prog (1)         } entry
         187       140  0     prog (1)       } sysenter by sysexit
         197         -  3     prog (1)       end: prog:main+0xa
         197       197  3     prog (1)     } main (end)""".splitlines()


def test_a_flawed_trace_says_so() -> None:
    trace = story().trace()
    trace.flaw = "cut short"
    assert list(text.crossings(trace))[-1] == "# not whole: cut short"


# JSON lines

def test_every_record_is_an_object(traced: Trace) -> None:
    objects = [json.loads(line) for line in jsonl.lines(traced)]
    kinds = Counter(each["type"] for each in objects)
    assert (kinds["crossing"], kinds["block"]) == (len(traced.crossings), len(traced.blocks))
    assert (objects[0]["type"], objects[0]["image"], objects[-1]["type"]) == ("trace", "preempt", "end")
    for name, records in (("crossing", traced.crossings), ("block", traced.blocks)):
        some = [each for each in objects if each["type"] == name]
        for field in ("cycle", "instructions", "thread"):
            assert [each[field] for each in some] == records[field].tolist()
        assert [each["space"] | each["ring"] for each in some] == (
            records["space"] & (0xFFFFF000 | int(Bits.TO))).tolist()
    assert "".join(each["text"] for each in objects if each["type"] == "console").encode("latin-1") == bytes(
        traced.console["byte"].astype(np.uint8))


def test_an_object_has_what_its_record_means() -> None:
    objects = [json.loads(line) for line in jsonl.lines(story().trace())]
    interrupt = next(each for each in objects if each.get("kind") == "interrupt")
    assert interrupt == {
        "type": "crossing", "cycle": 20, "instructions": 4, "kind": "interrupt", "name": "IRQ0 timer", "vector": 32,
        "line": 0, "waited": 3, "from": 0x8004, "from_name": "prog:main+0x4", "to": 0x2000, "to_name": "entry",
        "ring_before": 3, "ring": 0, "interrupts_before": False, "interrupts": False, "space": 0x5000,
        "program": "prog", "thread": 0xC0108000, "thread_name": "prog (1)", "cost": 7}
    assert objects[2] == {
        "type": "block", "cycle": 0, "instructions": 0, "address": 0x8000, "name": "prog:main", "size": 4, "ring": 3,
        "interrupts": False, "space": 0x5000, "program": "prog", "thread": 0xC0108000, "thread_name": "prog (1)",
        "ends": "call"}


# Folded stacks

def test_folded_stacks_are_the_cycles_of_the_run(traced: Trace) -> None:
    assert sum(folded.stacks(traced).values()) == traced.end.counters["cycles"]
    for line in folded.lines(traced):
        stack, _, cycles = line.rpartition(" ")
        assert int(cycles) > 0
        assert all(stack.split(";"))


def test_a_stack_is_thread_ring_and_what_is_open_in_that_ring() -> None:
    assert list(folded.lines(story().trace())) == [
        "prog (1);ring 0;IRQ0 timer 7", "prog (1);ring 0;IRQ0 timer;entry 10", "prog (1);ring 0;sysenter;entry 20",
        "prog (1);ring 0;sysenter;entry;f 10", "prog (1);ring 0;sysenter;entry;g 10",
        "prog (1);ring 0;sysenter;entry;idle 100", "prog (1);ring 3;main 30", "prog (1);ring 3;main;leaf 10"]


def test_where_recording_was_off_no_cycles_count() -> None:
    rows = Rows().crossing(Kind.BEGIN, 0x1000, 0x1000).block(0x1000).crossing(Kind.END, 0x1004, 0x1004)
    rows.cycle += 1000
    rows.crossing(Kind.BEGIN, 0x1100, 0x1100).block(0x1100).crossing(Kind.END, 0x1104, 0x1104)
    assert folded.stacks(rows.trace()) == {"prog (1);ring 0;f": 10, "prog (1);ring 0;g": 10}


# Perfetto

def parsed(trace: Trace) -> Any:
    found = PerfettoTrace()
    found.ParseFromString(b"".join(perfetto.pieces(trace)))
    return found


def tracks(found: Any) -> dict[int, tuple[str, ...]]:
    """The names of tracks and of what they lie in."""
    known = {each.track_descriptor.uuid: each.track_descriptor for each in found.packet
             if each.HasField("track_descriptor")}

    def name(uuid: int) -> tuple[str, ...]:
        return () if uuid == 1 else (*name(known[uuid].parent_uuid), known[uuid].name)

    return {uuid: name(uuid) for uuid in known}


def shown(found: Any) -> list[tuple[tuple[str, ...], int, str, str, Any]]:
    """(track, time, type, name, event), sorted by time as Perfetto does."""
    names: dict[int, str] = {}
    where = tracks(found)
    rows = []
    for packet in found.packet:
        names |= {each.iid: each.name for each in packet.interned_data.event_names}
        if packet.HasField("track_event"):
            event = packet.track_event
            rows.append((where[event.track_uuid], packet.timestamp, TrackEvent.Type.Name(event.type)[5:],
                         names.get(event.name_iid, ""), event))
    return sorted(rows, key=lambda row: row[1])


def test_slices_are_closed_in_the_order_in_which_they_were_opened(traced: Trace) -> None:
    open_slices: defaultdict[tuple[str, ...], int] = defaultdict(int)
    for track, _, kind, _, _ in shown(parsed(traced)):
        open_slices[track] += {"SLICE_BEGIN": 1, "SLICE_END": -1}.get(kind, 0)
        assert open_slices[track] >= 0
    assert set(open_slices.values()) == {0}


def test_there_is_a_track_for_each_thread_and_ring(traced: Trace) -> None:
    found = parsed(traced)
    assert {("ping (1)", "ring 3"), ("ping (1)", "ring 0"), ("pong (2)", "ring 3"), ("crash (3)", "ring 3"),
            ("processor",), ("interrupts", "IRQ0 timer"), ("console",)} <= set(tracks(found).values())
    assert "1 ns here is 1 cycle" in found.packet[0].track_descriptor.process.process_name


def test_slices_are_functions_and_crossings_at_their_cycles() -> None:
    rows = [(track[-1], time, kind, name) for track, time, kind, name, _ in shown(parsed(story().trace()))
            if track[0] == "prog (1)" and kind != "INSTANT"]
    assert rows == [
        ("ring 3", 0, "SLICE_BEGIN", "main"), ("ring 3", 10, "SLICE_BEGIN", "leaf"), ("ring 3", 20, "SLICE_END", ""),
        ("ring 0", 20, "SLICE_BEGIN", "IRQ0 timer"), ("ring 0", 27, "SLICE_BEGIN", "entry"),
        ("ring 0", 37, "SLICE_END", ""), ("ring 0", 37, "SLICE_END", ""), ("ring 0", 47, "SLICE_BEGIN", "sysenter"),
        ("ring 0", 47, "SLICE_BEGIN", "entry"), ("ring 0", 57, "SLICE_BEGIN", "f"), ("ring 0", 67, "SLICE_END", ""),
        ("ring 0", 67, "SLICE_BEGIN", "g"), ("ring 0", 77, "SLICE_END", ""), ("ring 0", 187, "SLICE_END", ""),
        ("ring 0", 187, "SLICE_END", ""), ("ring 3", 197, "SLICE_END", "")]


def test_an_arrow_leads_from_the_asserted_line_to_the_handler() -> None:
    rows = shown(parsed(story().trace()))
    asserted = next(row for row in rows if row[0] == ("interrupts", "IRQ0 timer"))
    handler = next(row for row in rows if row[3] == "IRQ0 timer")
    assert (asserted[1], handler[1]) == (17, 20)
    assert list(asserted[4].flow_ids) == list(handler[4].terminating_flow_ids) != []


def test_every_arrow_has_two_ends(traced: Trace) -> None:
    rows = shown(parsed(traced))
    begins = sorted(flow for row in rows for flow in row[4].flow_ids)
    assert begins == sorted(flow for row in rows for flow in row[4].terminating_flow_ids)
    assert len(begins) > 20


def test_the_console_has_its_lines(traced: Trace) -> None:
    lines = [name for track, _, _, name, _ in shown(parsed(traced)) if track == ("console",)]
    written = bytes(traced.console["byte"].astype(np.uint8)).decode("latin-1")
    assert lines == [line for line in written.replace("\r", "").split("\n") if line.strip()]


def test_counters_are_those_of_the_crossings(traced: Trace) -> None:
    samples = [(time, event.double_counter_value) for track, time, kind, _, event in shown(parsed(traced))
               if track == ("counters", "instructions per cycle") and kind == "COUNTER"]
    crossings = traced.crossings
    for time, value in samples:
        at = int(np.searchsorted(crossings["cycle"], time, "right")) - 1
        assert value == pytest.approx((crossings["instructions"][at + 1] - crossings["instructions"][at])
                                      / (crossings["cycle"][at + 1] - crossings["cycle"][at]))


# LCOV

def hits(lines: list[str], directory: Path) -> dict[str, dict[int, int]]:
    """What a reader of LCOV finds: file -> line -> count."""
    root = ElementTree.fromstring(LcovCobertura("\n".join(lines) + "\n", base_dir=str(directory)).convert())
    return {str(each.get("filename")): {int(str(line.get("number"))): int(str(line.get("hits")))
                                        for line in each.iter("line")} for each in root.iter("class")}


@pytest.mark.parametrize(("start", "count"), [(0, 3000), (15_060_683, 6000), (10_178_431, 4000)])
def test_lines_are_counted_as_a_stepped_run_counts_them(preempt: Image, tmp_path: Path, start: int,
                                                        count: int) -> None:
    """At boot; in a program, a system call and loops whose turns are skipped; an interrupt in the kernel."""
    machine, stepped = (Machine.boot(preempt, cpu="p3-500") for _ in range(2))
    machine.run(max_instructions=start)
    trace, _ = record(machine, blocks=True, max_instructions=count)
    assert trace is not None
    found = hits(list(lcov.lines(trace)), tmp_path)
    stepped.run(max_instructions=start)
    visits: Counter[int] = Counter()
    for _ in range(count):
        visits[stepped.cpu.linear_eip] += 1
        stepped.step()
    tables = [preempt.lines, *(preempt.program_lines[name] for name in ("ping",) if start)]
    expected: Counter[tuple[str, int]] = Counter()
    for table in tables:
        for address, file, line in table.entries:
            expected[file, line] += visits[address] if line else 0
    ran = {(file.rpartition("guest/")[2], line): times for file, lines in found.items()
           for line, times in lines.items() if times}
    # An interrupt runs before the first instruction of its handler is stepped: of that there is no visit.
    stubs = {place for place in ran if place[0] == "kernel/idt.asm"}
    assert {place: times for place, times in ran.items() if place not in stubs} == {
        place: times for place, times in expected.items() if times and place not in stubs}


def test_sources_are_files(traced: Trace) -> None:
    files = [line[3:] for line in lcov.lines(traced) if line.startswith("SF:")]
    assert len(files) > 20 and all(Path(file).is_file() for file in files)


def test_a_source_is_looked_for_in_the_folders_that_are_given(tmp_path: Path) -> None:
    (tmp_path / "a.asm").write_text("nop\n")
    lines = list(lcov.lines(story().trace(), [tmp_path]))
    assert lines[:2] == ["TN:", f"SF:{tmp_path / 'a.asm'}"]
    assert lines[2:] == ["FN:1,f", "FN:5,g", "FNDA:1,f", "FNDA:1,g", "FNF:2", "FNH:2", "DA:1,1", "DA:2,0", "DA:5,1",
                         "LF:3", "LH:2", "end_of_record"]


def test_functions_are_counted_by_their_first_lines(traced: Trace) -> None:
    lines = list(lcov.lines(traced))
    counts = {line[5:].partition(",")[2]: int(line[5:].partition(",")[0]) for line in lines if line.startswith("FNDA:")}
    crossings = traced.crossings
    entry = traced.names.symbols.address("sysenter_entry")
    assert counts["sysenter_entry"] == int((crossings["to"] == entry).sum()) > 3
    assert counts["panic"] == 0


def test_a_trace_without_names_or_blocks_has_no_sources() -> None:
    trace = story().trace(Names())
    assert list(lcov.lines(trace)) == ["TN:"]
    assert not any(line.startswith("DA:1,1") for line in lcov.lines(Rows().crossing(Kind.BEGIN, 0, 0).trace()))
