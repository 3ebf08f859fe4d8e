"""Traces: what is read, in memory or from a file, is what was written, in the order in which it happened."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from emu.crossings import BLOCK, CROSSING
from emu.machine import Machine
from emu.monitor.arrays import unwrapped
from emu.monitor.monitor import Monitor
from emu.monitor.names import Names
from emu.monitor.trace import columns
from emu.monitor.trace import file as trace
from emu.monitor.trace.file import Trace, TraceError, TraceHead, TraceWriter
from emu.monitor.trace.frames import CONSOLE, merge
from loader.boot import load
from loader.image import Image
from loader.symbols import LineMap, SymbolTable

CYCLES = 3_000_000              # of a real run, with interrupts
HEAD = TraceHead("p3-500", 500_000_000, 16 << 20, "some", "12ab", ("--cpu", "p3-500"), ("ring 3",),
                 (0xC0100000,))
NAMES = Names(SymbolTable([("start", 0xC0100000, 16), ("idle", 0xC0100010), ("alias", 0xC0100010)]),
              LineMap([(0xC0100000, "start.asm", 7), (0xC0100010, "start.asm", 0)]),
              {"hello": SymbolTable([("main", 0x8048000, 9)]), "other": SymbolTable([("main", 0x8048000)])},
              {"hello": LineMap([(0x8048000, "hello.asm", 3)])})


def run_of(blocks: int, crossings: int, seed: int = 0, first_block: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Records such as a run makes: the counts grow, crossings stand anywhere between the blocks."""
    rng = np.random.default_rng(seed)
    b, c = np.zeros(blocks, BLOCK), np.zeros(crossings, CROSSING)
    b["cycle"], b["instructions"] = 3 * np.arange(blocks), 2 * np.arange(blocks)
    b["pc"] = rng.integers(0xC0100000, 0xC0100400, blocks)
    places = np.sort(rng.integers(0, blocks + 1, crossings))
    c["blocks"] = (places + first_block) & 0xFFFFFFFF
    c["cycle"], c["instructions"] = 3 * places, 2 * places
    c["vector"] = rng.integers(0, 256, crossings)
    c["cache"] = np.cumsum(rng.integers(0, 1 << 20, crossings)) & 0xFFFFFFFF
    return b, c


def write(path: Path, blocks: NDArray[Any], crossings: NDArray[Any], pieces: int = 7) -> None:
    """A trace file of a monitor whose rings are emptied now and then: all crossings up to a block, then the blocks."""
    with TraceWriter(path, HEAD, NAMES) as writer:
        cuts = [len(blocks) * number // pieces for number in range(1, pieces)]
        for part, some in zip(np.split(crossings, np.searchsorted(crossings["blocks"], cuts, "right")),
                              np.split(blocks, cuts), strict=True):
            writer.crossings(part)
            writer.blocks(some)
        writer.console(b"hi\n", 77)
        writer.finish({"cycles": 99, "irqs": {"0": 3}}, threads={0xC0105000: "hello"}, spaces={0x5000: "hello"},
                      ended="exit 0")


def slowly_merged(crossings: NDArray[Any], blocks: NDArray[Any], first_block: int) -> list[int]:
    order: list[int] = []
    passed = 0
    for number, crossing in enumerate(crossings):
        while first_block + passed < crossing["blocks"]:
            order.append(~passed)
            passed += 1
        order.append(number)
    return order + [~number for number in range(passed, len(blocks))]


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([CROSSING, BLOCK, CONSOLE]).flatmap(lambda dtype: arrays.arrays(dtype, st.integers(0, 40))))
def test_any_records_are_unpacked_as_they_were_packed(records: NDArray[Any]) -> None:
    assert np.array_equal(columns.unpack(columns.pack(records), records.dtype), records)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_that_are_no_records_are_refused_or_records(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert columns.unpack(data, BLOCK).dtype == BLOCK


def test_a_hostile_count_is_refused() -> None:
    with pytest.raises(ValueError, match="the longest has"):
        columns.unpack(b"\xff\xff\xff\xff" + bytes(1000), BLOCK)


@pytest.mark.parametrize("first_block", [0, 5, (1 << 32) - 9])
@settings(max_examples=50, deadline=None)
@given(blocks=st.integers(0, 30), crossings=st.integers(0, 30), seed=st.integers(0, 1 << 30))
def test_crossings_and_blocks_are_merged_as_one_by_one(first_block: int, blocks: int, crossings: int,
                                                       seed: int) -> None:
    b, c = run_of(blocks, crossings, seed)
    expected = slowly_merged(c, b, 0)
    c["blocks"] += np.uint32(first_block)                       # wraps around
    assert merge(c, b, first_block).tolist() == expected


def test_a_crossing_from_before_the_first_block_comes_first() -> None:
    b, c = run_of(3, 2)
    c["blocks"] = [4, 12]
    assert merge(c, b, 10).tolist() == [0, ~0, ~1, 1, ~2]


@given(st.lists(st.integers(0, (1 << 32) - 1), max_size=20))
def test_counts_of_32_bits_are_continued(steps: list[int]) -> None:
    full = np.cumsum([0, *steps], dtype=np.int64)
    assert unwrapped((full & 0xFFFFFFFF).astype(np.uint32)).tolist() == full.tolist()


@pytest.mark.parametrize(("blocks", "crossings"), [(1000, 50), (0, 500), (500, 0), (0, 0), (300, 3000)])
def test_what_is_read_is_what_was_written(blocks: int, crossings: int, tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ENOUGH", 64)
    b, c = run_of(blocks, crossings)
    write(tmp_path / "t", b, c)
    read = Trace.open(tmp_path / "t")
    assert (read.head, read.flaw) == (HEAD, "")
    assert np.array_equal(read.crossings, c)
    assert np.array_equal(read.blocks, b)
    assert read.console["byte"].astype(np.uint8).tobytes() == b"hi\n"
    assert set(read.console["cycle"].tolist()) == {77}
    assert (read.end.counters, read.end.threads, read.end.spaces, read.end.ended) == (
        {"cycles": 99, "irqs": {"0": 3}}, {0xC0105000: "hello"}, {0x5000: "hello"}, "exit 0")
    assert read.merged().tolist() == slowly_merged(c, b, 0)


def test_frames_are_in_order_and_each_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ENOUGH", 64)
    b, c = run_of(1000, 300)
    write(tmp_path / "t", b, c)
    order: list[int] = []
    crossings = blocks = 0
    for frame in Trace.open(tmp_path / "t").frames():
        assert len(frame.blocks) <= 64
        assert frame.first_block == blocks
        order += [n + crossings if n >= 0 else n - blocks for n in frame.merged().tolist()]
        crossings, blocks = crossings + len(frame.crossings), blocks + len(frame.blocks)
    assert order == slowly_merged(c, b, 0)


@pytest.mark.parametrize("place", [0, 1, 500, 1499, 1500, 1998, 5000])
def test_reading_begins_where_it_is_asked_to(place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ENOUGH", 64)
    b, c = run_of(1000, 100)
    write(tmp_path / "t", b, c)
    read = Trace.open(tmp_path / "t")
    for name, frames in (("instructions", read.from_instructions(place)), ("cycle", read.from_cycle(place))):
        part = list(frames)
        found = np.concatenate([frame.blocks for frame in part])
        assert np.array_equal(found, b[part[0].first_block:])
        assert np.count_nonzero(found[name] < place) <= 64
        assert (b[name] >= place).sum() <= len(found)


def test_a_trace_in_memory_is_read_like_one_in_a_file(tmp_path: Path) -> None:
    b, c = run_of(100, 20)
    write(tmp_path / "t", b, c)
    file, memory = Trace.open(tmp_path / "t"), Trace.from_arrays(HEAD, c, b, names=NAMES)
    assert (file.head, file.names.addresses()) == (memory.head, memory.names.addresses())
    assert np.array_equal(file.crossings, memory.crossings)
    assert np.array_equal(file.merged(), memory.merged())
    assert [len(frame.blocks) for frame in memory.from_cycle(50)] == [100]


@pytest.mark.parametrize("seed", range(30))
def test_what_is_whole_of_a_cut_trace_is_read_and_then_it_is_said(seed: int, tmp_path: Path,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ENOUGH", 64)
    b, c = run_of(400, 100)
    path = tmp_path / "t"
    write(path, b, c)
    data = path.read_bytes()
    path.write_bytes(data[:random.Random(seed).randrange(data.index(b"\n", 20) + 1, len(data))])
    found = []
    with pytest.raises(TraceError, match=f"^{path}: cut short: the trace was not finished; trace the run again$"):
        found.extend(Trace.open(path).frames())
    partial = Trace.open(path, partial=True)
    assert np.array_equal(partial.blocks, b[:len(partial.blocks)])
    assert np.array_equal(partial.crossings, c[:len(partial.crossings)])
    assert len(partial.blocks) == sum(len(frame.blocks) for frame in found)
    assert "cut short" in partial.flaw


@pytest.mark.parametrize("seed", range(60))
def test_a_trace_with_a_wrong_byte_is_refused_in_one_line(seed: int, tmp_path: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ENOUGH", 64)
    path = tmp_path / "t"
    b, c = run_of(200, 50)
    write(path, b, c)
    data, rng = bytearray(path.read_bytes()), random.Random(seed)
    data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
    path.write_bytes(data)
    with pytest.raises(TraceError) as caught:
        list(Trace.open(path).frames())
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("old", "new"), [
    (b"500000000", b"0"), (b"500000000", b'"1"'), (b'"clock"', b'"clocks"'), (b'"clock": ', b'"other": 1, "clock": '),
    (b"[3222274048]", b'["x"]'), (b'["ring 3"]', b"3"), (b'"some"', b"7")])
def test_a_head_that_makes_no_sense_is_refused(old: bytes, new: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t"
    write(path, *run_of(5, 5))
    head, newline, rest = path.read_bytes().partition(b"}\n")
    assert old in head
    path.write_bytes(head.replace(old, new, 1) + newline + rest)
    with pytest.raises(TraceError, match="its head is damaged"):
        Trace.open(path)


def test_a_trace_brings_the_names_of_its_image(tmp_path: Path) -> None:
    write(tmp_path / "t", *run_of(5, 5))
    names = Trace.open(tmp_path / "t").names
    assert [names.name(address) for address in (0xC0100004, 0xC0100020, 0x8048001, 0x10)] == [
        "start+0x4", "idle+0x10", "hello:main+0x1", "0x10"]
    assert names.name(0x8048001, "other") == "other:main+0x1"
    assert names.name(0xC0100000, "other") == "start"
    assert (names.line(0xC0100003), names.line(0xC0100011), names.line(0x8048002)) == (
        ("start.asm", 7), None, ("hello.asm", 3))
    assert names.addresses() == {"start": 0xC0100000, "idle": 0xC0100010, "alias": 0xC0100010,
                                 "hello:main": 0x8048000, "other:main": 0x8048000}
    assert names.as_json() == NAMES.as_json()


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"files": [], "symbols": {"": [[1]]}, "lines": {"": []}}',
                                  b'{"files": [], "symbols": {"": []}, "lines": {"": [[1, 2, 3]]}}'])
def test_names_that_make_no_sense_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        Names.from_json(data)


def test_the_names_of_an_image_are_those_of_its_kernel_and_programs() -> None:
    image: Image = load("hello")
    names = Names.of(image)
    assert names.name(image.symbols.address("trap_exit")) == "trap_exit"
    assert Names.from_json(names.as_json()).addresses() == names.addresses()
    assert Names.of(None).name(0x1234) == "0x1234"


def test_a_trace_that_nobody_finished_keeps_full_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ENOUGH", 64)
    b, c = run_of(100, 10)
    with TraceWriter(tmp_path / "t", HEAD) as writer:
        writer.crossings(c)
        writer.blocks(b)
    partial = Trace.open(tmp_path / "t", partial=True)
    assert np.array_equal(partial.blocks, b)
    assert partial.end.counters == {}


def test_records_may_change_once_they_have_been_appended(tmp_path: Path) -> None:
    b, c = run_of(100, 10)
    kept = b.copy()
    with TraceWriter(tmp_path / "t", HEAD) as writer:
        writer.crossings(c)
        writer.blocks(b)
        b["pc"] = 0
        writer.finish({})
    assert np.array_equal(Trace.open(tmp_path / "t").blocks, kept)


def test_a_full_disk_is_reported_before_the_trace_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ENOUGH", 8)
    b, _ = run_of(100, 0)
    with TraceWriter(tmp_path / "t", HEAD) as writer:
        def full(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device", str(tmp_path / "t"))

        monkeypatch.setattr(writer._file, "add", full)
        with pytest.raises(OSError, match="No space left"):
            for _ in range(99):
                writer.blocks(b)


def test_a_run_is_traced_into_a_file_as_it_is_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "ENOUGH", 10_000)
    image = load("preempt")
    machines = [Machine.boot(image, cpu="p5-166") for _ in range(2)]
    marked = [image.symbols.address(name) for name in ("sched_pick", "console_wait")]
    with Monitor(machines[0], blocks=True, marks=marked) as kept:
        machines[0].run(max_cycles=CYCLES)
    with TraceWriter(tmp_path / "t", HEAD, Names.of(image)) as writer:
        with Monitor(machines[1], blocks=True, marks=marked, sink=writer):
            machines[1].run(max_cycles=CYCLES)
        writer.finish(machines[1].counters.as_dict())
    read = Trace.open(tmp_path / "t")
    assert np.array_equal(read.crossings, kept.crossings)
    assert np.array_equal(read.blocks, kept.blocks)
    assert read.end.counters == machines[0].counters.as_dict()
    order = Trace.from_arrays(HEAD, kept.crossings, kept.blocks).merged()
    cycles = np.concatenate([kept.blocks["cycle"][::-1], kept.crossings["cycle"]])      # ~n, and n behind them
    assert np.all(np.diff(cycles[order + len(kept.blocks)]) >= 0)
    crossings = blocks = 0
    for frame in read.frames():                             # each holds all that happened until the next
        some = frame.merged()
        among_all = np.where(some >= 0, some + crossings, some - blocks)
        assert np.array_equal(among_all, order[crossings + blocks:][:len(some)])
        crossings, blocks = crossings + len(frame.crossings), blocks + len(frame.blocks)
    assert crossings + blocks == len(order)
