"""`trapline costs`: tables that agree with the counters, a ledger that adds up, and complaints of one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emu.machine import Machine

Trapline = Callable[..., Any]       # the fixture `trapline`


@pytest.fixture(scope="module")
def run() -> Machine:
    machine = Machine.boot("preempt", cpu="p3-500")
    machine.run()
    return machine


def test_the_table_has_a_line_for_each_path_of_the_kernel(trapline: Trapline) -> None:
    ended = trapline("costs", "preempt", "--cpu", "p3-500")
    assert (ended.status, ended.err) == (0, "")
    header, *lines = ended.out.splitlines()
    assert header.split() == ["path", "count", "instr", "min", "median", "p99", "max", "pipeline", "transition",
                              "cache", "tlb", "branch", "bus", "idle"]
    counts = {line.split()[0]: line.split()[1] for line in lines}
    assert counts["fault"] == "1" and counts["syscall-int"] == "0"
    assert lines[0].split()[2:7] == ["-"] * 5           # a path that was never taken


def test_the_report_agrees_with_the_counters_of_a_plain_run(trapline: Trapline, run: Machine) -> None:
    report = json.loads(trapline("costs", "preempt", "--cpu", "p3-500", "--latency", "--json").out)
    paths = {path["path"]: path for path in report["paths"]}
    counters = run.counters
    assert paths["syscall-dispatch"]["count"] == counters.crossings["sysenter"]
    assert paths["irq-handler"]["count"] == report["interrupts"][0]["count"] == counters.irqs[0]
    for path in paths.values():
        assert path["total_cycles"] == sum(path["causes"].values())
        for witness in path["witness"].values():
            assert witness["cycles"] == witness["end"] - witness["begin"]
    assert report["interrupts_off"][0]["off_at"].startswith("fault")
    assert (report["image"], report["cpu"], report["clock_hz"]) == ("preempt", "p3-500", 500_000_000)


@pytest.mark.parametrize("which", ["min", "worst"])
def test_the_ledger_adds_up_to_the_occurrence(trapline: Trapline, which: str) -> None:
    report = json.loads(trapline("costs", "preempt", "--cpu", "p3-500", "--path", "irq-handler", "--ledger",
                                 "irq-handler", "--which", which, "--json").out)
    ledger, [path] = report["ledger"], report["paths"]
    cycles = path["cycles"]["max" if which == "worst" else which]
    assert ledger["cycles"] == cycles == sum(row["cycles"] for row in ledger["rows"])
    assert ledger["instructions"] == sum(not row["is_event"] for row in ledger["rows"])
    assert ledger["rows"][0]["text"].startswith("IRQ 0") and ledger["rows"][1]["where"] == "vector_stubs+0x200"


def test_the_ledger_reads_as_instructions_with_source_and_causes(trapline: Trapline) -> None:
    lines = trapline("costs", "preempt", "--cpu", "p3-500", "--ledger", "fault").out.splitlines()
    assert lines[0] == "fault: the median occurrence"
    assert lines[2].split() == ["at", "cycles", "cpl", "where", "instruction", "source", "causes"]
    assert "-- #PF error 0x4" in lines[3] and "transition" in lines[3]
    assert any("trap_entry+0x2" in line and "pushal" in line and "trap.asm:" in line for line in lines)
    assert lines[-1].startswith("12 instructions, 462 cycles: pipeline ")


def test_paths_of_ones_own_are_added(trapline: Trapline, tmp_path: Path) -> None:
    file = tmp_path / "my.paths.toml"
    file.write_text('[path.tick]\nfrom = "timer_interrupt"\nto = "sched_tick"\n')
    ended = trapline("costs", "preempt", "--paths", file, "--path", "tick", "--max-cycles", "3M")
    _header, line = ended.out.splitlines()
    assert line.split()[0] == "tick" and int(line.split()[1]) > 3


def test_input_reaches_the_guest(trapline: Trapline, guests: Any, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"abq")
    (tmp_path / "polling.paths.toml").write_text('[path.all]\nfrom = "_start"\nto = "_start"\n')
    ended = trapline("costs", guests.polling(fifo=True, delay=10), "--input", tmp_path / "input", "--json")
    assert json.loads(ended.out)["ended"] == "exit"


@pytest.mark.parametrize(("arguments", "words"), [
    (["preempt", "--path", "irq-handlr"], ["'irq-handlr'", "did you mean irq-handler?"]),
    (["preempt", "--ledger", "page-fault", "--max-cycles", "1M"], ["page-fault", "no occurrence"]),
    (["preempt", "--ledger", "fault", "--which", "best"], ["--which", "'best'", "worst"]),
    (["preempt", "--paths", "nosuch.toml"], ["nosuch.toml", "no such file"]),
    (["preempt", "--input", "nosuch"], ["nosuch", "no such file"]),
    (["nosuch"], ["nosuch", "trapline images"]),
    (["preempt", "--until", "nosuch"], ["no symbol 'nosuch'"]),
])
def test_what_is_wrong_is_said_in_one_line(trapline: Trapline, arguments: list[str], words: list[str]) -> None:
    ended = trapline("costs", *arguments)
    assert ended.status == 2 and ended.complains(*words)


def test_an_image_without_paths_says_how_to_write_some(trapline: Trapline, guests: Any) -> None:
    assert trapline("costs", guests.busy()).complains("no paths are named", "NAME.paths.toml")


def test_a_broken_file_of_paths_is_named(trapline: Trapline, tmp_path: Path) -> None:
    file = tmp_path / "my.paths.toml"
    file.write_text('[path.tick]\nfrom = "timer_interrupt"\n')
    assert trapline("costs", "preempt", "--paths", file).complains(str(file), "path.tick.to", "missing")
