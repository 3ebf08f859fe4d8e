"""`trapline diff`: what it finds between images and traces, and how it says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.exit_codes import ExitCode

Trapline = Callable[..., Any]       # the fixture `trapline`

# Enters the kernel's rings of `preempt` never: flat ring 0, reads the clock chip, waits as many turns.
CLOCK = """
    xor eax, eax
    out 0x70, al
    in al, 0x71
    mov ecx, eax
    inc ecx
.Lturn:
    loop .Lturn
    mov eax, 3
    out 0xF4, eax
"""


@pytest.fixture
def traced(trapline: Trapline, tmp_path: Path) -> Callable[..., str]:
    """Records an image with these arguments: the name of the trace."""
    def record(name: str, *arguments: str) -> str:
        ended = trapline("trace", *arguments, "--format", "trace", "-o", tmp_path / name)
        assert ended.status == 0, ended.err
        return str(tmp_path / name)

    return record


def test_two_runs_of_an_image_are_alike(trapline: Trapline) -> None:
    ended = trapline("diff", "hello", "hello", "--cycles")
    assert (ended.status, ended.err) == (0, "")
    first, second, _, verdict = ended.out.splitlines()
    assert first[1:] == second[1:] == "  hello on unit, 100 MHz, 16,384 KiB; exit 0, cycle 910497"
    assert verdict.startswith("No difference: ") and verdict.endswith(" crossings are alike.")


def test_two_processors_part_at_the_line_status_that_one_of_them_reads_later(trapline: Trapline) -> None:
    ended = trapline("diff", "hello", "hello", "--cpu-b", "p3-500")
    assert ended.status == ExitCode.DIFFERENT == 1
    text = ended.out
    assert "(kernel/console.asm:" in text.split("They part behind")[1].splitlines()[1]
    lines = text.split("The input that differed first:\n")[1].splitlines()[:2]
    assert [line[:48] for line in lines] == ["  A read 0x20 from port 0x3fd (com1) at console_",
                                             "  B read 0x00 from port 0x3fd (com1) at console_"]
    registers = {line.split()[0]: line for line in text.split("Registers in front of it:\n")[1].splitlines()[1:14]}
    assert [name for name, line in registers.items() if line.endswith("*")] == ["eax", "eflags"]
    assert "\nsyscall-sysenter " in text.split("Cycles by path")[1]


def test_the_report_as_json_has_the_same(trapline: Trapline) -> None:
    report = json.loads(trapline("diff", "hello", "hello", "--cpu-b", "p3-500", "--json").out)
    assert report["different"] and not report["by_name"]
    assert [report[side]["cpu"] for side in "ab"] == ["unit", "p3-500"]
    inputs = report["input"]
    assert [(inputs[side]["source"], inputs[side]["device"], inputs[side]["value"]) for side in "ab"] == [
        ("port", "com1", 0x20), ("port", "com1", 0)]
    assert inputs["a"]["at"] == inputs["b"]["at"] and report["in_front"]["a"]["address"] > inputs["a"]["at"]
    assert {side: report["in_front"][side]["registers"]["eax"] for side in "ab"} == {"a": 0x20, "b": 0}
    assert report["parting"]["behind"]["a"]["address"] != report["parting"]["behind"]["b"]["address"]
    for path in report["costs"]:
        assert path["difference"]["total_cycles"] == path["b"]["total_cycles"] - path["a"]["total_cycles"]
        assert sum(path["difference"]["causes"].values()) == path["difference"]["total_cycles"]


def test_the_state_differs_first_where_software_looks_at_the_processor(trapline: Trapline) -> None:
    arguments = ("diff", "hello", "hello", "--cpu", "p3-500", "--cpu-b", "k7-550")
    ended = trapline(*arguments, "--state")
    assert ended.status == ExitCode.DIFFERENT
    assert "No input from a device differed before" in ended.out
    state = ended.out.split("Their states differ behind")[1].splitlines()
    assert "cpuid" in state[1] and state[2].split()[0] == "eax"


def test_the_clock_chip_is_named_if_it_is_the_cause(trapline: Trapline, guests: Any) -> None:
    image = guests.of(CLOCK)
    ended = trapline("diff", image, image, "--epoch", "946684800", "--epoch-b", "946684807")
    assert ended.status == ExitCode.DIFFERENT
    assert "  A read 0x00 from port 0x71 (rtc)" in ended.out
    assert "  B read 0x07 from port 0x71 (rtc)" in ended.out


def test_what_is_typed_is_named_if_it_is_the_cause(trapline: Trapline, guests: Any, tmp_path: Path) -> None:
    image = guests.polling(fifo=True, delay=5)
    for name, data in (("a", b"abcq"), ("b", b"abq")):
        (tmp_path / name).write_bytes(data)
    ended = trapline("diff", image, image, "--input", tmp_path / "a", "--input-b", tmp_path / "b")
    assert ended.status == ExitCode.DIFFERENT
    assert "  A read 0x63 from port 0x3f8 (com1)" in ended.out
    assert "  B read 0x71 from port 0x3f8 (com1)" in ended.out


def test_the_last_events_in_common_stand_in_front_of_the_difference(trapline: Trapline, guests: Any,
                                                                    tmp_path: Path) -> None:
    image = guests.sleeping()
    for name, data in (("a", b"aaaq"), ("b", b"aaq")):
        (tmp_path / name).write_bytes(data)
    arguments = ("diff", image, image, "--input", tmp_path / "a", "--input-b", tmp_path / "b")
    whole = json.loads(trapline(*arguments, "--last", "1000", "--json").out)
    report = json.loads(trapline(*arguments, "--last", "2", "--json").out)
    assert len(whole["common"]) == report["common_crossings"] > 2
    assert report["common"] == whole["common"][-2:]
    text = trapline(*arguments, "--last", "2").out
    lines = text.split("then the first that differ:\n")[1].split("\n\n")[0].splitlines()
    assert [line[0] for line in lines][:3] == [" ", " ", " "]        # the names of the columns, and two in common
    assert {line[0] for line in lines[3:]} == {"A", "B"}
    assert [int(line.split()[1]) for line in lines[1:3]] == [each["instructions"] for each in report["common"]]


def test_a_difference_that_no_crossing_shows_is_found_in_the_state(trapline: Trapline, guests: Any) -> None:
    image = guests.of("xor eax, eax\nout 0x70, al\nin al, 0x71\nmov [0x2000], eax\nxor eax, eax\nout 0xF4, eax\n")
    arguments = ("diff", image, image, "--epoch", "946684800", "--epoch-b", "946684807")
    assert trapline(*arguments).status == 0
    ended = trapline(*arguments, "--state")
    assert ended.status == ExitCode.DIFFERENT
    assert "No crossing differs: " in ended.out and "in al, 0x71" in ended.out.split("Their states differ behind")[1]
    ended = trapline("diff", image, image, "--state")
    assert ended.status == 0 and "Registers and memory are the same" in ended.out


# Images that differ

def test_images_that_differ_are_compared_by_name(trapline: Trapline, tmp_path: Path) -> None:
    from loader.manifest import GUEST

    source = (GUEST / "user" / "hello.asm").read_text()
    manifest = (GUEST / "images" / "hello.toml").read_text()
    marked = "main:\n"
    assert marked in source
    (tmp_path / "hello.asm").write_text(source.replace(marked, marked + "    nop\n" * 7))
    (tmp_path / "hello.toml").write_text(manifest.replace("../user/hello.asm", "hello.asm")
                                         .replace("../lib/", f"{GUEST}/lib/"))
    ended = trapline("diff", "hello", tmp_path / "hello.toml")
    assert ended.status == 0, ended.out + ended.err
    assert "The images differ: functions are compared by name" in ended.out
    assert "No difference: " in ended.out
    ended = trapline("diff", "hello", "preempt")
    assert ended.status == ExitCode.DIFFERENT
    assert "differs in to." in ended.out and "Registers just before:" in ended.out
    assert "A" in ended.out and "hello:_start" in ended.out and "ping:_start" in ended.out


# Traces

def test_a_trace_is_compared_with_a_run(trapline: Trapline, traced: Callable[..., str]) -> None:
    trace = traced("a.trace", "hello", "--cpu", "p3-500")
    ended = trapline("diff", trace, "hello", "--cpu", "p3-500", "--cycles")
    assert (ended.status, ended.err) == (0, ""), ended.out
    assert "No difference" in ended.out


def test_traces_that_can_be_run_again_show_where_they_part(trapline: Trapline, traced: Callable[..., str]) -> None:
    files = [traced(f"{cpu}.trace", "hello", "--cpu", cpu) for cpu in ("unit", "p3-500")]
    report = json.loads(trapline("diff", *files, "--json").out)
    runs = json.loads(trapline("diff", "hello", "hello", "--cpu", "unit", "--cpu-b", "p3-500", "--json").out)
    assert report["parting"] == runs["parting"] and report["input"] == runs["input"]
    assert report["in_front"] == runs["in_front"]


def test_a_trace_whose_image_has_changed_shows_its_crossings(trapline: Trapline, traced: Callable[..., str],
                                                             guests: Any) -> None:
    image = guests.of(CLOCK)
    old = traced("old.trace", image)
    other = traced("other.trace", image, "--epoch", "7")
    guests.of(CLOCK + "nop\n")
    ended = trapline("diff", old, other)
    assert ended.status == ExitCode.DIFFERENT
    assert "A cannot be run again to see more: guest.elf is not what it was then" in ended.out
    assert "The first events" in ended.out and "They part" not in ended.out


def test_a_cut_trace_is_compared_as_far_as_it_is_whole(trapline: Trapline, traced: Callable[..., str], tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    from emu.monitor.trace import file as trace

    monkeypatch.setattr(trace, "ENOUGH", 8)
    whole = traced("whole.trace", "preempt", "--cpu", "p3-500")
    data = Path(whole).read_bytes()
    (tmp_path / "cut.trace").write_bytes(data[:len(data) * 3 // 4])
    ended = trapline("diff", tmp_path / "cut.trace", whole)
    assert (ended.status, ended.err) == (0, "")
    assert "A stops there, B goes on." in ended.out
    assert "A is not whole, and compared as far as it is: " in ended.out
    (tmp_path / "cut.trace").write_bytes(data[:data.index(b"\n", 20) + 30])
    ended = trapline("diff", tmp_path / "cut.trace", whole)
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains("cut short")


def test_traces_of_different_things_are_not_compared(trapline: Trapline, traced: Callable[..., str]) -> None:
    every, some = traced("every.trace", "hello"), traced("some.trace", "hello", "--only-cpl", "3")
    ended = trapline("diff", every, some)
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains("A has all and B has only CPL 3", "trace both alike")
    other = traced("other.trace", "hello", "--only-cpl", "3", "--cpu", "p3-500")
    ended = trapline("diff", some, other)
    assert ended.status == ExitCode.DIFFERENT
    assert "A cannot be run again to see more: it has only CPL 3" in ended.out
    assert "A was recorded without marks" not in ended.out      # nobody knows of paths: the image was not loaded


@pytest.mark.parametrize(("arguments", "words"), [
    (("nosuch", "hello"), ("nosuch: neither an image nor a file here",)),
    (("hello",), ("Missing argument 'B'",)),
    (("hello", "/nonexistent.trace"), ("/nonexistent.trace: no such file",)),
    (("{trace}", "{trace}"), ("are the same file",)),
    (("{trace}", "{other}", "--cpu", "unit"), ("--cpu: both were recorded",)),
    (("hello", "{trace}", "--cpu-b", "unit"), ("--cpu-b: ", "was recorded")),
    (("{bad}", "{trace}"), ("bad.trace: no trace",)),
    (("hello", "hello", "--cpu-b", "nosuch"), ("no processor is called 'nosuch'",)),
    (("hello", "hello", "--paths", "/nonexistent"), ("/nonexistent: no such file",)),
])
def test_bad_input_is_one_line(arguments: tuple[str, ...], words: tuple[str, ...], trapline: Trapline,
                               traced: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "bad.trace").write_text("nothing\n")
    files = {"{bad}": str(tmp_path / "bad.trace")}
    if "{trace}" in arguments:
        files |= {"{trace}": traced("a.trace", "hello"), "{other}": traced("b.trace", "hello")}
    ended = trapline("diff", *(files.get(each, each) for each in arguments))
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains(*words), ended.err
