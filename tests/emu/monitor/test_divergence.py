"""Where two runs part is where single steps find it, and what is named as the cause is what was different."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cutting import difference, state
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_code import BareMachine

from emu.crossings import Bits, Kind
from emu.machine import Machine
from emu.monitor.compare import lockstep
from emu.monitor.compare.divergence import Comparison, compare
from emu.monitor.compare.inputs import Inputs, Source, first_difference, with_interrupts
from emu.monitor.monitor import Monitor
from emu.monitor.names import Names
from emu.monitor.paths import changes as cost_changes
from emu.monitor.paths.costs import PARTS, costs
from emu.monitor.paths.paths import path
from emu.monitor.trace.file import Trace, TraceEnd, TraceHead
from emu.monitor.trace.tracing import in_words
from loader.assembler import assemble
from loader.boot import recognise
from loader.elf_writer import write_elf
from loader.image import Image
from loader.linker import link
from loader.symbols import SymbolTable

sys.path.insert(0, str(Path(__file__).parent))
from crossing_rows import K, U, row, rows

HEAD = TraceHead("unit", 100_000_000, 16 << 20, "some", "12ab")
# The timer interrupts a loop that counts in EBX; the fifth tick ends it.
TIMER = """
    mov al, 0x11; out 0x20, al; mov al, 0x20; out 0x21, al; mov al, 4; out 0x21, al; mov al, 3; out 0x21, al
    mov al, 0xfe; out 0x21, al; mov al, 0x34; out 0x43, al; mov al, 7; out 0x40, al; mov al, 0; out 0x40, al
    mov ecx, 5; sti
    again: inc ebx; test bl, 3; jz again; nop; jmp again
    tick: mov al, 0x20; out 0x20, al; dec ecx; jz done; iretd
    done: cli; hlt
"""
# What comes from COM1 is stored, and much later a byte with bit 5 set takes another way than one without.
READER = """
    mov dx, 0x3fb; mov al, 0x83; out dx, al; mov dx, 0x3f8; mov al, 1; out dx, al; mov dx, 0x3fb; mov al, 3; out dx, al
    mov edi, 0x30000
    wait: mov ecx, 100; pause_: loop pause_; mov dx, 0x3fd; in al, dx; test al, 1; jz wait
    mov dx, 0x3f8; in al, dx; mov [edi], al; inc edi
    mov ecx, 300; turn: loop turn
    mov al, [edi - 1]; test al, 0x20; jz other
    int 0x40; jmp wait
    other: nop; int 0x41; jmp wait
    back: iretd
"""
# Reads the seconds of the clock chip, and ends with another exit code and way if they are odd.
CLOCK = """; _start: the guest.
.text
.global _start
_start:
    mov ecx, 100
.Lturn:
    loop .Lturn
    xor eax, eax
    out 0x70, al
    in al, 0x71
    mov ebx, eax
    test bl, 1
    jz .Leven
    inc ebx
.Leven:
    mov eax, ebx
    out 0xF4, eax
"""


def timer(cpu: str) -> Machine:
    return BareMachine(TIMER, handlers={0x20: "tick"}, cpu=cpu).machine


def reader(data: bytes) -> Machine:
    machine = BareMachine(READER, handlers={0x40: "back", 0x41: "back"}).machine
    for number, byte in enumerate(data):
        received = machine.clock.event(f"byte {number}", partial(machine.uart.receive, bytes([byte])))
        received.schedule(machine.clock.now + 1000 + 10_000 * number)     # once the rate is set
    return machine


def clock(epoch: int) -> Machine:
    program = link([assemble(CLOCK, name="guest.asm")], base=0x100000, entry="_start", name="guest")
    return Machine.boot(recognise(write_elf(program), "guest"), epoch=epoch)


ALL_READ = 60_000       # cycles
PAIRS: dict[str, tuple[list[Callable[[], Machine]], int]] = {       # and cycles after which all has happened
    "timer": ([partial(timer, "unit"), partial(timer, "p3-500")], 100_000),
    "reader": ([partial(reader, b"abc"), partial(reader, b"aXc")], ALL_READ),
    "clock": ([partial(clock, 946_684_800), partial(clock, 946_684_801)], 10_000),
}


def trace_of(make: Callable[[], Machine], cycles: int, digest: str = "12ab") -> Trace:
    machine = make()
    with Monitor(machine) as monitor:
        result = machine.run(max_cycles=cycles)
    return Trace.from_arrays(replace(HEAD, digest=digest), monitor.crossings, names=Names.of(machine.image),
                             end=TraceEnd(ended=in_words(result)))


def found(name: str) -> tuple[Comparison, lockstep.Parting | None, list[Inputs], list[Trace]]:
    """What comparing a pair finds."""
    makes, cycles = PAIRS[name]
    traces = [trace_of(make, cycles) for make in makes]
    comparison = compare(*traces)
    assert comparison.differs
    counts = [trace.crossings["instructions"] for trace in traces]
    lasts = [int(column[number]) for column, number in zip(counts, comparison.first, strict=True)]
    first = int(counts[0][comparison.numbers[0][comparison.common - 1]]) if comparison.common else 0
    return comparison, *lockstep.part(makes, first, lasts), traces


def walked(name: str, alike: Callable[[Machine, Machine], bool]) -> tuple[int, int]:
    """(instructions, address) in front of the first instruction behind which a pair is not alike, step by step."""
    a, b = (make() for make in PAIRS[name][0])
    if name == "reader":                                # where nothing can have come yet
        a.run(max_instructions=18_000), b.run(max_instructions=18_000)
        assert alike(a, b)
    while True:
        before = a.cpu.state.instructions, a.cpu.linear_eip
        a.step(), b.step()
        if not alike(a, b):
            return before


# Streams

FIELDS = st.fixed_dictionaries({
    "kind": st.sampled_from([Kind.EXCEPTION, Kind.SOFTWARE, Kind.IRET, Kind.IDLE, Kind.MARK]),
    "vector": st.integers(0, 1), "error": st.integers(0, 1), "from": st.integers(0, 1), "to": st.integers(0, 1),
    "instructions": st.integers(0, 1), "cost": st.integers(0, 1), "before": st.sampled_from([K, U])})
STREAM = st.lists(FIELDS, max_size=5)


def stream(given_rows: list[dict[str, Any]]) -> Any:
    return rows(*(row(each["kind"], 5, each["before"], **{name: value for name, value in each.items()
                                                          if name not in ("kind", "before")}) for each in given_rows))


@pytest.mark.parametrize("cycles", [False, True])
@settings(max_examples=200, deadline=None)
@given(start=STREAM, a=STREAM, b=STREAM)
def test_the_first_difference_is_that_of_a_loop(cycles: bool, start: list[Any], a: list[Any], b: list[Any]) -> None:
    def counted(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{name: value for name, value in each.items() if cycles or name != "cost"} for each in records
                if each["kind"] != Kind.MARK and (cycles or each["kind"] != Kind.IDLE)]

    ones, others = counted(start + a), counted(start + b)
    common = 0
    while common < min(len(ones), len(others)) and ones[common] == others[common]:
        common += 1
    comparison = compare(*(Trace.from_arrays(HEAD, stream(start + each)) for each in (a, b)), cycles=cycles)
    assert comparison.common == common
    assert comparison.differs == (common < min(len(ones), len(others)))
    assert comparison.shorter == ("a" if common == len(ones) < len(others) else "b" if common == len(others) < len(ones)
                                  else "")
    if comparison.differs:
        names = {"before": "rings"}
        unlike = {names.get(name, name) for name in ones[common] if ones[common][name] != others[common][name]}
        assert set(comparison.differing) == unlike


def test_a_guest_that_ends_differs_from_one_that_goes_on() -> None:
    one = rows(row(Kind.SOFTWARE, 5), row(Kind.END, 9))
    other = rows(row(Kind.SOFTWARE, 5), row(Kind.IRET, 9))
    ends = {"exit 0 at cycle 9": True, "cycle limit: 9 cycles have passed": False, "until at cycle 9": False}
    for ended, differs in ends.items():
        comparison = compare(Trace.from_arrays(HEAD, one, end=TraceEnd(ended=ended)), Trace.from_arrays(HEAD, other))
        assert (comparison.differs, comparison.shorter) == (differs, "" if differs else "a")


def test_images_that_differ_are_compared_by_the_names_of_functions() -> None:
    def trace(digest: str, base: int, *records: dict[str, Any]) -> Trace:
        names = Names(SymbolTable([("entry", base), ("exit", base + 0x10)]),
                      programs={"p": SymbolTable([("main", 0x1000)]), "q": SymbolTable([("main", 0x1000)])})
        return Trace.from_arrays(replace(HEAD, digest=digest), rows(*records), names=names,
                                 end=TraceEnd(spaces={0x5000: "p", 0x6000: "q"}))

    def call(base: int, at: int, space: int) -> list[dict[str, Any]]:
        return [row(Kind.SOFTWARE, 5, U, K, space=space, **{"from": at, "to": base}),
                row(Kind.IRET, 9, K, U, space=space, **{"from": base + 0x14, "to": at + 2})]

    one = trace("a", 0xC0100000, *call(0xC0100000, 0x1000, 0x5000), *call(0xC0100000, 0x1000, 0x5000))
    other = trace("b", 0xC0200000, *call(0xC0200000, 0x1008, 0x5000), *call(0xC0200000, 0x1000, 0x6000))
    comparison = compare(one, other)
    assert (comparison.by_name, comparison.common, comparison.differing) == (True, 2, ("from",))


# Runs

@pytest.mark.parametrize("name", PAIRS)
def test_a_run_does_not_differ_from_itself(name: str) -> None:
    makes, cycles = PAIRS[name]
    comparison = compare(trace_of(makes[0], cycles), trace_of(makes[0], cycles), cycles=True)
    assert not comparison.differs and not comparison.shorter


@pytest.mark.parametrize("name", PAIRS)
def test_runs_part_where_single_steps_say(name: str) -> None:
    _, parting, _, _ = found(name)
    assert parting
    before, behind = parting.before, parting.behind
    assert [(each.instructions, each.address) for each in before] == [
        walked(name, lambda a, b: a.cpu.linear_eip == b.cpu.linear_eip)] * 2
    assert behind[0].address != behind[1].address


def test_windows_of_any_size_find_the_same_place(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found("reader")[1]
    monkeypatch.setattr(lockstep, "WINDOW", 777)
    monkeypatch.setattr(lockstep, "PIECE", 1000)
    assert found("reader")[1] == whole


@pytest.mark.parametrize("name", PAIRS)
def test_states_differ_where_single_steps_say(name: str) -> None:
    def alike(a: Machine, b: Machine) -> bool:
        return (a.cpu.registers.snapshot() == b.cpu.registers.snapshot()
                and np.array_equal(a.ram.bytes[:0x50000], b.ram.bytes[:0x50000]))

    _, parting, _, _ = found(name)
    assert parting
    change = lockstep.first_other_state(PAIRS[name][0], parting.before[0].instructions + 1)
    assert change
    assert (change.before[0].instructions, change.before[0].address) == walked(name, alike)


def test_states_that_differ_from_the_start_are_found_there() -> None:
    def other() -> Machine:
        machine = timer("unit")
        machine.ram.write(0x30000, b"\x07")
        return machine

    change = lockstep.first_other_state([partial(timer, "unit"), other], 1000)
    assert change
    assert change.before == change.behind
    assert (change.words, change.word_count) == ([(0x30000, 0, 7)], 1)


def test_states_that_never_differ_are_not_found_to() -> None:
    assert lockstep.first_other_state([partial(timer, "unit")] * 2, 300) is None


def test_a_machine_is_brought_to_in_front_of_a_crossing() -> None:
    for name, kinds in (("reader", {Kind.SOFTWARE, Kind.IRET}), ("timer", {Kind.INTERRUPT, Kind.IRET})):
        make, cycles = PAIRS[name][0][0], PAIRS[name][1]
        crossings = trace_of(make, cycles).crossings[1:8]
        assert {Kind(kind) for kind in crossings["kind"]} >= kinds
        for crossing in crossings:
            stood = lockstep.stand_before(make(), crossing)
            if crossing["kind"] == Kind.INTERRUPT:              # which is accepted behind the instruction before
                assert stood.instructions == crossing["instructions"] - 1
            elif crossing["kind"] != Kind.END:
                assert stood.address == crossing["from"]


# Inputs

def cause(name: str) -> tuple[Any, Any] | None:
    _, parting, heard, traces = found(name)
    assert parting
    ends = [(each.cycle, parting.behind[0].instructions) for each in parting.before]
    a, b = (with_interrupts(each.reads, trace.crossings) for each, trace in zip(heard, traces, strict=True))
    return first_difference(a, b, ends)


def test_the_byte_that_was_received_is_the_input_that_differed() -> None:
    inputs = cause("reader")
    assert inputs
    assert [(int(one["source"]), int(one["address"]), chr(int(one["value"]))) for one in inputs] == [
        (Source.PORT, 0x3F8, "b"), (Source.PORT, 0x3F8, "X")]
    assert inputs[0]["at"] == inputs[1]["at"] and inputs[0]["cycle"] == inputs[1]["cycle"]


def test_the_seconds_of_the_clock_are_the_input_that_differed() -> None:
    inputs = cause("clock")
    assert inputs
    assert [(int(one["address"]), int(one["value"])) for one in inputs] == [(0x71, 0), (0x71, 1)]


def test_an_interrupt_that_comes_elsewhere_is_the_input_that_differed() -> None:
    inputs = cause("timer")
    assert inputs
    a, b = inputs
    assert a["source"] == b["source"] == Source.INTERRUPT and a["address"] == b["address"] == 0
    first = [trace.crossings[trace.crossings["kind"] == Kind.INTERRUPT][0] for trace in found("timer")[3]]
    assert [int(one["instructions"]) for one in inputs] == [int(record["instructions"]) for record in first]


def test_an_input_behind_the_end_is_no_cause() -> None:
    makes, _ = PAIRS["reader"]
    heard = []
    for make in makes:
        machine = make()
        with Inputs(machine) as inputs:
            machine.run(max_cycles=ALL_READ)
        heard.append(inputs.reads)
    pair = first_difference(heard[0], heard[1], [(1 << 60, 1 << 60)] * 2)
    assert pair
    at = int(pair[0]["cycle"])
    assert first_difference(heard[0], heard[1], [(at - 1, 1 << 60)] * 2) is None
    assert first_difference(heard[0], heard[1], [(at, 1 << 60)] * 2) is not None
    assert first_difference(heard[0], heard[0], [(1 << 60, 1 << 60)] * 2) is None


@pytest.mark.parametrize("name", PAIRS)
def test_a_run_that_is_listened_to_is_the_same_run(name: str) -> None:
    makes, cycles = PAIRS[name]
    for make in makes:
        plain, heard = make(), make()
        plain.run(max_cycles=cycles)
        spaces = heard.bus.ports, heard.bus.memory
        with Inputs(heard):
            heard.run(max_cycles=cycles)
        assert difference(state(plain), state(heard)) == {}
        assert (heard.bus.ports, heard.bus.memory) == spaces


class Thermometer:
    """A device in memory that reads more each time."""

    def __init__(self) -> None:
        self.reading = 0x1000

    def read(self, offset: int, size: int) -> int:
        """One more."""
        self.reading += 1
        return self.reading

    def write(self, offset: int, value: int, size: int) -> None:
        """Nothing."""


def test_reads_of_ports_and_of_device_memory_are_noted_once_each_and_in_order() -> None:
    bare = BareMachine("mov eax, [0xf0000000]; port: in ax, 0x80; memory: mov bx, [0xf0000004]; out 0x80, al")
    bare.machine.bus.memory.claim(0xF0000000, 8, Thermometer(), "thermometer", 4)
    with Inputs(bare.machine) as inputs:
        bare.run(until="end")
        assert (inputs.device(Source.MEMORY, 0xF0000004), inputs.device(Source.PORT, 0x70)) == ("thermometer", "rtc")
    rows_ = inputs.reads[["at", "source", "address", "size", "value"]].tolist()
    assert rows_[0] == (bare.address("_start"), Source.MEMORY, 0xF0000000, 4, 0x1001)
    assert rows_[1][:4] == (bare.address("port"), Source.PORT, 0x80, 2)         # two reads of a byte on the bus
    assert rows_[2] == (bare.address("memory"), Source.MEMORY, 0xF0000004, 2, 0x1002)
    assert len(rows_) == 3 and np.all(np.diff(inputs.reads["cycle"]) > 0)


# Costs

def test_costs_of_paths_are_subtracted_cause_by_cause() -> None:
    calls = path("call", {"from": "int 0x40", "to": "return to kernel"})
    never = path("never", {"from": "int 0x42", "to": "return to kernel"})
    both = []
    for data in (b"aaa", b"aXa"):
        machine = reader(data)
        with Monitor(machine) as monitor:
            machine.run(max_cycles=ALL_READ)
        both.append(costs([never, calls], monitor.crossings, Names()))
    [change] = cost_changes.changes(*both)
    assert (change.a.count, change.b.count) == (3, 2)
    values = change.as_dict()
    assert values["difference"]["total_cycles"] == change.difference == (
        values["b"]["total_cycles"] - values["a"]["total_cycles"]) < 0
    assert sum(values["difference"]["causes"].values()) == change.difference
    header, line = cost_changes.table([change]).splitlines()
    assert header.split()[-len(PARTS):] == list(PARTS)
    assert line.split()[0] == "call" and f"{change.difference:+,}" in line


def test_the_path_that_changed_most_comes_first() -> None:
    def of(*totals: int) -> list[Any]:
        found = []
        for number, total in enumerate(totals):
            records = rows(row(Kind.SOFTWARE, 0, vector=0x40), row(Kind.MARK, total, to=0x10))
            [one] = costs([path(f"p{number}", {"from": "int 0x40", "to": "0x10"})], records, Names())
            found.append(one)
        return found

    changes = cost_changes.changes(of(100, 50, 10), of(90, 90, 10))
    assert [(each.a.path.name, each.difference) for each in changes] == [("p1", 40), ("p0", -10), ("p2", 0)]


def test_crossings_carry_the_rings_that_are_compared() -> None:
    records = stream([{"kind": Kind.IRET, "before": U}])
    assert int(records["space"][0]) & (Bits.TO | Bits.FROM) == U << 2


def test_a_program_that_was_changed_is_compared_by_name() -> None:
    def image(extra: str) -> Image:
        source = CLOCK.replace("    mov ebx, eax\n", f"{extra}    mov ebx, eax\n")
        program = link([assemble(source, name="guest.asm")], base=0x100000, entry="_start", name="guest")
        return recognise(write_elf(program), "guest")

    images = [image(""), image("    nop\n")]
    traces = []
    for each in images:
        machine = Machine.boot(each)
        with Monitor(machine) as monitor:
            result = machine.run()
        traces.append(Trace.from_arrays(replace(HEAD, digest=each.digest), monitor.crossings, names=Names.of(each),
                                        end=TraceEnd(ended=in_words(result))))
    comparison = compare(*traces)
    assert comparison.by_name and not comparison.differs     # the same functions, at other addresses
