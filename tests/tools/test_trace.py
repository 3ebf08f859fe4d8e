"""`trapline trace` and `trapline boot --trace`: what goes where, and what is refused in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emu.monitor.trace import file as traces
from tools.exit_codes import ExitCode

Trapline = Callable[..., Any]       # the fixture `trapline`


@pytest.fixture
def file(trapline: Trapline, tmp_path: Path) -> Path:
    """A trace with blocks."""
    path = tmp_path / "hello.trace"
    assert trapline("boot", "hello", "--trace", path, "--blocks", "--serial", "null").status == 0
    return path


def test_an_image_is_traced_to_standard_output(trapline: Trapline) -> None:
    ended = trapline("trace", "hello")
    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == "# hello on unit, 100 MHz"
    assert lines[1].split() == ["#", "cycle", "took", "ring", "thread", "what"]
    assert "begin: _start" in lines[2]
    assert lines[-1].startswith("# ended: exit 0, cycle ")
    assert any("IRQ0 timer" in line for line in lines)


def test_functions_need_no_more_than_an_option(trapline: Trapline) -> None:
    ended = trapline("trace", "hello", "--calls", "--path", "syscall-int", "--cpu", "p5-166")
    assert ended.status == 0
    assert " sys_write() {" in ended.out
    assert "only path syscall-int" in ended.out


def test_a_trace_of_a_run_shows_what_tracing_the_image_shows(trapline: Trapline, file: Path) -> None:
    for options in ((), ("--calls",), ("--format", "folded")):
        assert trapline("trace", file, *options).out == trapline("trace", "hello", *options).out


def test_a_traced_run_is_the_same_run(trapline: Trapline, tmp_path: Path) -> None:
    reports = [json.loads(trapline("boot", "hello", "--json", "--cpu", "p3-500", *options).out) for options in (
        (), ("--trace", tmp_path / "t"), ("--trace", tmp_path / "t", "--blocks"))]
    for report in reports:
        del report["host_seconds"], report["host_mips"]
    assert reports[0] == reports[1] == reports[2]


@pytest.mark.parametrize("form", ["text", "jsonl", "perfetto", "folded", "lcov", "trace"])
def test_every_format_goes_to_a_file(trapline: Trapline, file: Path, tmp_path: Path, form: str) -> None:
    direct, again = tmp_path / "direct", tmp_path / "again"
    ended = trapline("trace", "hello", "--format", form, "--blocks", "-o", direct)
    assert (ended.status, ended.out, ended.err) == (0, "", "")
    assert trapline("trace", file, "--format", form, "-o", again).status == 0
    if form == "trace":
        assert trapline("trace", direct).out == trapline("trace", again).out
    elif form != "jsonl":                               # whose head says what was typed
        assert direct.read_bytes() == again.read_bytes()
    assert len(direct.read_bytes()) > 100


def test_the_head_of_a_trace_says_what_was_left_out(trapline: Trapline, tmp_path: Path) -> None:
    trapline("trace", "hello", "--format", "trace", "-o", tmp_path / "t", "--only-cpl", "3", "--within",
             "hello:main", "--start", "cycle 1000")
    trace = traces.Trace.open(tmp_path / "t")
    assert trace.head.filters == ("start cycle 1000", "CPL 3", "within hello:main")
    assert trace.head.arguments[0] == "hello"
    assert {int(space) & 3 for space in trace.blocks["space"]} <= {3}


def test_the_last_before_an_event(trapline: Trapline) -> None:
    ended = trapline("trace", "preempt", "--before", "#PF", "--last", "3")
    assert ended.status == 0
    assert [line.split(":")[0].split()[-1] for line in ended.out.splitlines()[3:6]] == ["iret", "1)", "end"] or (
        "#PF" in ended.out)
    assert "# ended: reached vector_stubs" in ended.out


# What is wrong

@pytest.mark.parametrize(("arguments", "words"), [
    (("hello", "--format", "perfetto"), ("perfetto", "-o FILE")),
    (("hello", "--format", "trace"), ("trace", "-o FILE")),
    (("hello", "--calls", "--format", "jsonl"), ("--calls",)),
    (("hello", "--calls", "--no-blocks"), ("--no-blocks",)),
    (("hello", "--start", "sys_writ"), ("did you mean sys_write?",)),
    (("hello", "--stop", "vector 999"), ("give vector a number",)),
    (("hello", "--path", "nosuch"), ("no path is called 'nosuch'",)),
    (("hello", "--last", "3", "--times", "2"), ("the last before",)),
    (("hello", "--before", "sys_write"), ("before sys_write",)),
    (("hello", "--only-space", "nosuch"), ("'nosuch'", "hello")),
    (("hello", "--within", "5..4"), ("--within 5..4",)),
    (("hello", "-o", "/nosuch/file"), ("/nosuch/file", "no such file")),
    (("hello", "--format", "trace", "-o", "/nosuch/file"), ("/nosuch/file", "no such file")),
    (("nosuch.trace",), ("nosuch.trace", "no such file")),
    (("nosuch",), ("nosuch", "trapline images")),
])
def test_a_wrong_command_line_is_one_line(trapline: Trapline, arguments: tuple[str, ...],
                                          words: tuple[str, ...]) -> None:
    ended = trapline("trace", *arguments)
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains(*words), ended.err


@pytest.mark.parametrize(("option", "value"), [("--cpu", "p3-500"), ("--start", "sys_write"), ("--max-cycles", "5"),
                                               ("--blocks", None)])
def test_a_trace_that_was_recorded_cannot_be_recorded_otherwise(trapline: Trapline, file: Path, option: str,
                                                                value: str | None) -> None:
    ended = trapline("trace", file, option, *([value] if value else []))
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains(option, "has been recorded")


def test_a_file_that_is_no_trace_is_refused(trapline: Trapline, tmp_path: Path) -> None:
    (tmp_path / "a.trace").write_bytes(b"something else\n")
    ended = trapline("trace", tmp_path / "a.trace")
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains("a.trace", "no trace", "trapline boot IMAGE --trace FILE")


def test_a_recording_is_no_trace(trapline: Trapline, tmp_path: Path) -> None:
    trapline("boot", "hello", "--cpu", "p3-500", "--record", tmp_path / "a.rec", "--serial", "null")
    assert trapline("trace", tmp_path / "a.rec").complains("a.rec", "no trace")


def test_what_is_whole_of_a_cut_trace_is_shown(trapline: Trapline, monkeypatch: pytest.MonkeyPatch,
                                               tmp_path: Path) -> None:
    monkeypatch.setattr(traces, "ENOUGH", 16)
    whole = tmp_path / "whole.trace"
    trapline("boot", "preempt", "--trace", whole, "--serial", "null")
    cut = tmp_path / "cut.trace"
    cut.write_bytes(whole.read_bytes()[:whole.stat().st_size * 2 // 3])
    ended = trapline("trace", cut)
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.err.startswith("trapline: ") and ended.err.count("\n") == 1
    assert "cut.trace" in ended.err and "shown is what is whole" in ended.err
    shown, known = ([line.split(":")[-1] for line in text.splitlines() if not line.startswith("#")]
                    for text in (ended.out, trapline("trace", whole).out))
    assert 16 <= len(shown) < len(known)
    assert "# not whole: " in ended.out


def test_a_trace_is_not_written_over_itself(trapline: Trapline, file: Path) -> None:
    before = file.read_bytes()
    assert trapline("trace", file, "-o", file).complains("would be written while it is read")
    assert file.read_bytes() == before


def test_functions_of_a_trace_without_blocks_are_refused(trapline: Trapline, tmp_path: Path) -> None:
    trapline("boot", "hello", "--trace", tmp_path / "t", "--serial", "null")
    assert trapline("trace", tmp_path / "t", "--calls").complains("has no blocks")


@pytest.mark.parametrize("arguments", [("--trace", "/dev/full"), ("--blocks",), ("--trace", "t", "--profile-range"),
                                       ("--trace", "t", "--gdb", "0")])
def test_boot_refuses_what_cannot_be_traced(trapline: Trapline, arguments: tuple[str, ...]) -> None:
    ended = trapline("boot", "hello", "--cpu", "p3-500", "--serial", "null", *arguments)
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains()


def test_ctrl_c_ends_the_run_and_leaves_a_trace(command: list[str], guests: Any, tmp_path: Path) -> None:
    path = tmp_path / "t"
    process = subprocess.Popen([*command, "trace", guests.busy(), "--format", "trace", "-o", str(path)],
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == ExitCode.INTERRUPTED
    assert "traced up to cycle" in errors
    assert traces.Trace.open(path).end.ended.startswith("stopped, cycle ")


def test_a_reader_that_goes_away_is_no_reason_to_complain(command: list[str]) -> None:
    program = " ".join(f"'{word}'" for word in command)
    done = subprocess.run(["bash", "-c", f"{program} trace hello --calls | true; echo ${{PIPESTATUS[0]}}"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert (int(done.stdout), done.stderr) == (ExitCode.BROKEN_PIPE, "")


def test_json_is_another_word_for_jsonl(trapline: Trapline) -> None:
    words = ("hello", "--max-cycles", "1M")
    first = trapline("trace", *words, "--json").out
    assert first == trapline("trace", *words, "--format", "jsonl").out and first.startswith("{")
    assert not trapline("trace", *words).out.startswith("{")


def test_a_trace_of_boot_knows_the_paths_of_its_image(trapline: Trapline, tmp_path: Path) -> None:
    for name, cpu in (("a", "p3-500"), ("b", "k7-550")):
        trapline("boot", "preempt", "--cpu", cpu, "--trace", tmp_path / f"{name}.trace", "--marks")
    report = json.loads(trapline("diff", tmp_path / "a.trace", tmp_path / "b.trace", "--json").out)
    costs = {each["path"]: each for each in report["costs"]}
    assert costs["irq-handler"]["a"]["count"] > 10
    assert trapline("boot", "preempt", "--marks").complains("--marks is for --trace")
