"""Paths: what a file may say, and where a run went along them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emu.crossings import Kind
from emu.machine import Machine
from emu.monitor.monitor import Monitor
from emu.monitor.names import Names
from emu.monitor.paths import paths
from emu.monitor.paths.pairing import pair
from emu.monitor.paths.paths import NESTINGS, PathError, Point, load, marks, point, read, unseen
from loader.boot import load as load_image
from loader.symbols import SymbolTable

sys.path.insert(0, str(Path(__file__).parent))
from crossing_rows import K, U, row, rows

NAMES = Names(SymbolTable([("entry", 0xC0100000), ("handler", 0xC0100010)]),
              programs={"a": SymbolTable([("main", 0x8048000)]), "b": SymbolTable([("main", 0x8048000)])})
HEAD = "[path.p]\n"


def found(crossings: NDArray[Any], begin: str, end: str, **more: str) -> list[list[int]]:
    return paths.path("p", {"from": begin, "to": end, **more}).occurrences(crossings, NAMES, {}).tolist()


def complaint(tmp_path: Path, text: str) -> str:
    file = tmp_path / "x.paths.toml"
    file.write_text(text)
    with pytest.raises(PathError) as caught:
        read(file)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{file}: ")


@pytest.mark.parametrize(("text", "expected"), [
    ("int 0x80", Point("int 0x80", (Kind.SOFTWARE,), 128)),
    ("vector 14", Point("vector 14", (Kind.EXCEPTION, Kind.SOFTWARE, Kind.INTERRUPT), 14)),
    ("#PF", Point("#PF", (Kind.EXCEPTION,), 14)),
    ("#PF from user", Point("#PF from user", (Kind.EXCEPTION,), 14, before="user")),
    ("irq 0", Point("irq 0", (Kind.INTERRUPT,), line=0)),
    ("exception", Point("exception", (Kind.EXCEPTION,))),
    ("call gate", Point("call gate", (Kind.CALL_GATE,))),
    ("iret from kernel to user", Point("iret from kernel to user", (Kind.IRET,), before="kernel", behind="user")),
    ("sysenter", Point("sysenter", (Kind.SYSENTER,))),
    ("return to user", Point("return to user", (Kind.SYSEXIT, Kind.IRET, Kind.RETF), behind="user")),
    ("ipc_send", Point("ipc_send", (Kind.MARK,), place="ipc_send")),
    ("hello:main+0x10", Point("hello:main+0x10", (Kind.MARK,), place="hello:main+0x10")),
    ("0xC0100000 from kernel", Point("0xC0100000 from kernel", (Kind.MARK,), before="kernel", place="0xC0100000")),
])
def test_a_point_is_read(text: str, expected: Point) -> None:
    assert point(text) == expected


@pytest.mark.parametrize(("text", "message"), [
    ("vector", "'vector': give vector a number from 0 to 255"),
    ("irq 16", "'irq 16': give irq a number from 0 to 15"),
    ("int x", "'int x': give int a number from 0 to 255"),
    ("#PX", "'#PX' is no exception: must be one of #DE, #DB, "),
    ("iret 3", "'iret 3' is no point: did you mean iret?"),
    ("", "'' is no point: name a crossing (int, exception, "),
    ("a symbol", "'a symbol' is no point: name a crossing or a symbol"),
])
def test_a_point_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(PathError, match=f"^{re.escape(message)}"):
        point(text)


@pytest.mark.parametrize(("text", "message"), [
    (HEAD + 'from = "iret"', "path.p.to: is missing: name the point at which the path ends"),
    (HEAD + 'from = "iret"\nto = 3', "path.p.to: is 3: give a string"),
    (HEAD + 'from = "irq"\nto = "iret"', "path.p.from: 'irq': give irq a number from 0 to 15"),
    (HEAD + 'from = "iret"\nto = "iret"\nnext = "x"',
     "path.p: has no key 'next'; allowed: description, from, to, thread, nesting"),
    (HEAD + 'from = "iret"\nto = "iret"\nthread = "one"', "path.p.thread: is 'one': must be same, alone, any"),
    (HEAD + 'from = "iret"\nto = "iret"\nnesting = "x"', "path.p.nesting: is 'x': must be latest, first, nested"),
    ("[paths.p]\n", "paths: only tables [path.NAME] may stand here"),
    ("path = 3\n", "path: only tables [path.NAME] may stand here"),
    ("path.p = 3\n", "path.p: is 3: give a table"),
    ('[path."a b"]\n', "'a b': call a path by letters, digits and _ . -"),
    ("[path", "not TOML: "),
])
def test_a_file_that_makes_no_sense_is_refused(text: str, message: str, tmp_path: Path) -> None:
    assert complaint(tmp_path, text).startswith(message)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.paths.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PathError, match="not TOML"):
        read(tmp_path / "x.paths.toml")


@pytest.mark.parametrize(("place", "message"), [
    ("handlr", "path.p: the image has no symbol 'handlr': did you mean handler?"),
    ("sysentr", "path.p: 'sysentr' is neither a crossing nor a symbol: did you mean sysenter?"),
])
def test_an_unknown_place_is_named_with_a_suggestion(place: str, message: str) -> None:
    path = paths.path("p", {"from": place, "to": "iret"})
    for attempt in (lambda: marks([path], NAMES), lambda: path.occurrences(rows(), NAMES)):
        with pytest.raises(PathError, match=f"^{re.escape(message)}$"):
            attempt()


def test_marks_are_the_addresses_of_places() -> None:
    given = [paths.path("p", {"from": "irq 0", "to": "handler"}), paths.path("q", {"from": "entry+4", "to": "handler"})]
    assert marks(given, NAMES) == [0xC0100004, 0xC0100010]
    assert unseen(given, NAMES, [0xC0100010, 0x1234]) == [given[1]]


def test_a_later_file_goes_over_an_earlier_one(tmp_path: Path) -> None:
    for name, end in (("a", "iret"), ("b", "sysexit")):
        (tmp_path / name).write_text(f'[path.{name}]\nfrom="irq 0"\nto="{end}"\n[path.p]\nfrom="irq 0"\nto="{end}"\n')
    both = load([tmp_path / "a", tmp_path / "b"])
    assert {name: path.end.text for name, path in both.items()} == {"a": "iret", "b": "sysexit", "p": "sysexit"}


def test_points_are_told_apart_by_kind_vector_line_ring_and_place() -> None:
    crossings = rows(row(Kind.EXCEPTION, 0, U, K, vector=14), row(Kind.EXCEPTION, 1, K, K, vector=14),
                     row(Kind.SOFTWARE, 2, U, K, vector=128), row(Kind.INTERRUPT, 3, U, K, vector=32, line=0),
                     row(Kind.INTERRUPT, 4, K, K, vector=33, line=1), row(Kind.IRET, 5, K, U),
                     row(Kind.MARK, 6, to=0xC0100010), row(Kind.MARK, 7, U, U, to=0x8048000))
    for text, expected in (("#PF", [0, 1]), ("#PF from user", [0]), ("vector 32", [3]), ("irq 1", [4]), ("int", [2]),
                           ("interrupt from kernel", [4]), ("entry from user", [0, 2, 3]), ("return to user", [5]),
                           ("handler", [6]), ("a:main", [7]), ("idle", [])):
        assert np.flatnonzero(point(text).among(crossings, NAMES)).tolist() == expected, text


def test_programs_at_the_same_address_are_told_apart_by_their_space() -> None:
    crossings = rows(row(Kind.MARK, 0, U, U, to=0x8048000, space=0x5000),
                     row(Kind.MARK, 1, U, U, to=0x8048000, space=0x6000))
    spaces = {0x5000: "a", 0x6000: "b"}
    assert point("b:main").among(crossings, NAMES, spaces).tolist() == [False, True]
    assert point("b:main").among(crossings, NAMES).tolist() == [True, True]


def test_a_path_ends_in_the_thread_in_which_it_began_unless_any_will_do() -> None:
    crossings = rows(row(Kind.INTERRUPT, 0, U, K, line=0, thread=1), row(Kind.IRET, 1, K, U, thread=2),
                     row(Kind.INTERRUPT, 2, U, K, line=0, thread=2), row(Kind.IRET, 3, K, U, thread=2),
                     row(Kind.IRET, 4, K, U, thread=1))
    assert found(crossings, "irq 0", "iret to user") == [[0, 4], [2, 3]]
    assert found(crossings, "irq 0", "iret to user", thread="alone") == [[2, 3]]
    assert found(crossings, "irq 0", "iret to user", thread="any") == [[0, 1], [2, 3]]
    assert found(crossings, "irq 0", "return to user", thread="any") == [[0, 1], [2, 3]]


def test_a_return_belongs_to_its_entry_whatever_lies_in_between() -> None:
    crossings = rows(row(Kind.SYSENTER, 0, U, K),
                     row(Kind.INTERRUPT, 1, K, K, line=0), row(Kind.EXCEPTION, 2, K, K, vector=14),
                     row(Kind.MARK, 3, to=0xC0100010), row(Kind.IRET, 4, K, K), row(Kind.MARK, 5, to=0xC0100000),
                     row(Kind.IRET, 6, K, K), row(Kind.SYSEXIT, 7, K, U))
    assert found(crossings, "sysenter", "return") == [[0, 7]]
    assert found(crossings, "irq 0", "return") == [[1, 6]]
    assert found(crossings, "#PF", "return") == [[2, 4]]
    assert found(crossings, "handler", "return") == [[3, 4]]
    assert found(crossings, "entry", "return") == [[0, 7], [1, 6], [2, 4]]
    assert found(crossings, "0xC0100000", "return to kernel") == [[5, 6]]
    assert found(crossings, "irq 0", "return to user") == []


def test_an_entry_that_never_returned_is_not_ended_by_the_next_program_on_its_stack() -> None:
    crossings = rows(row(Kind.SYSENTER, 0, U, K, space=0x5000), row(Kind.IRET, 1, K, U, space=0x6000),
                     row(Kind.SYSENTER, 2, U, K, space=0x6000), row(Kind.SYSENTER, 3, U, K, space=0x6000),
                     row(Kind.SYSEXIT, 4, K, U, space=0x6000))
    assert found(crossings, "sysenter", "return") == [[3, 4]]


def test_a_return_without_an_entry_begins_nothing() -> None:
    crossings = rows(row(Kind.IRET, 0, K, U), row(Kind.MARK, 1, U, U, to=0x8048000), row(Kind.IRET, 2, K, U))
    assert found(crossings, "a:main", "return") == []
    assert found(rows(), "sysenter", "return") == []


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.BEGIN, Kind.END])
def test_a_path_across_missing_records_is_left_out(kind: Kind) -> None:
    crossings = rows(row(Kind.SYSENTER, 0, U, K), row(kind, 1), row(Kind.SYSEXIT, 2, K, U), row(Kind.SYSENTER, 3, U, K),
                     row(Kind.SYSEXIT, 4, K, U))
    assert found(crossings, "sysenter", "sysexit") == found(crossings, "sysenter", "return") == [[3, 4]]


def test_which_of_several_beginnings_counts_is_a_matter_of_nesting() -> None:
    crossings = rows(*(row(Kind.SYSENTER if letter == "(" else Kind.SYSEXIT, number)
                       for number, letter in enumerate("(()))(")))
    assert found(crossings, "sysenter", "sysexit", nesting="latest") == [[1, 2]]
    assert found(crossings, "sysenter", "sysexit", nesting="first") == [[0, 2]]
    assert found(crossings, "sysenter", "sysexit", nesting="nested") == [[0, 3], [1, 2]]


def slowly_paired(begins: list[bool], ends: list[bool], threads: list[int], nesting: str) -> list[list[int]]:
    """The same one record after the other."""
    open_ones: dict[int, list[int]] = {}
    done = []
    for number, (begin, end, thread) in enumerate(zip(begins, ends, threads, strict=True)):
        mine = open_ones.setdefault(thread, [])
        if end and mine:
            done.append([mine[0] if nesting == "first" else mine[-1], number])
            mine[:] = mine[:-1] if nesting == "nested" else []
        if begin:
            mine.append(number)
    return sorted(done)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from([0, 7, 0xC0105000]))),
       st.sampled_from(NESTINGS))
def test_pairs_are_those_found_one_after_the_other(records: list[tuple[bool, bool, int]], nesting: str) -> None:
    begins, ends, threads = ([each[field] for each in records] for field in range(3))
    pairs = pair(np.array(begins, bool), np.array(ends, bool), np.array(threads, np.uint32), nesting)
    assert pairs.tolist() == slowly_paired(begins, ends, threads, nesting)


def test_an_image_knows_the_files_that_name_its_paths(tmp_path: Path) -> None:
    assert [file.name for file in load_image("hello").path_files] == ["basic.paths.toml"]
    program = tmp_path / "code.bin"
    program.write_bytes(b"\xf4")
    assert load_image(program, address=0x100000).path_files == []
    (tmp_path / "code.paths.toml").write_text("")
    assert load_image(program, address=0x100000).path_files == [tmp_path / "code.paths.toml"]


def test_a_manifest_has_its_kernels_paths_and_then_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[image]\ndescription = "x"\nkernel = "basic"\n')
    (tmp_path / "mine.paths.toml").write_text('[path.irq-handler]\nfrom = "irq 0"\nto = "trap_entry"\n')
    image = load_image(tmp_path / "mine.toml")
    assert load(image.path_files)["irq-handler"].end.text == "trap_entry"


@pytest.mark.parametrize("cpu", ["p3-500", "p5-166"])
def test_the_first_kernel_goes_along_its_paths(cpu: str) -> None:
    machine = Machine.boot("preempt", cpu=cpu)
    assert machine.image
    names, named = Names.of(machine.image), load(machine.image.path_files)
    monitor = Monitor(machine, marks=marks(named.values(), names))
    with monitor:
        counters = machine.run().counters
    count = {name: len(path.occurrences(monitor.crossings, names)) for name, path in named.items()}
    calls = counters.crossings.get("sysenter", 0) + counters.traps.get(128, 0)
    assert count["irq-handler"] == counters.irqs[0]
    assert count["preemption"] + count["irq-kernel"] == counters.irqs[0]
    assert count["syscall-dispatch"] == calls
    assert count["fault"] == counters.traps[14] == 1
    assert 0 < count["syscall-sysenter" if cpu == "p3-500" else "syscall-int"] <= calls
    assert count["syscall-int" if cpu == "p3-500" else "syscall-sysenter"] == 0
