"""`trapline build` and `trapline images`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loader.build import images
from tools.exit_codes import ExitCode

Trapline = Callable[..., Any]       # the fixture `trapline`


def test_building_an_image_writes_elf_files_and_maps(trapline: Trapline, tmp_path: Path) -> None:
    ended = trapline("build", "hello", "-o", tmp_path / "out")
    files = [tmp_path / "out" / name for name in ("hello.elf", "hello.map", "hello/hello.elf", "hello/hello.map")]
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines() == [f"{file}  {file.stat().st_size:,} bytes" for file in files]
    assert files[0].read_bytes().startswith(b"\x7fELF")
    assert " main " in files[3].read_text()


def test_reports_name_the_same_images_and_files(trapline: Trapline, tmp_path: Path) -> None:
    listed = json.loads(trapline("images", "--json").out)
    assert [(each["name"], each["description"]) for each in listed["images"]] == images()
    assert listed["default"] in [each["name"] for each in listed["images"]]
    written = json.loads(trapline("build", "hello", "-o", tmp_path, "--json").out)["images"]["hello"]
    assert [each["file"] for each in written][:2] == [str(tmp_path / "hello.elf"), str(tmp_path / "hello.map")]
    assert all(Path(each["file"]).stat().st_size == each["bytes"] for each in written)


def test_a_kernel_that_was_built_boots_from_its_file(trapline: Trapline, tmp_path: Path) -> None:
    trapline("build", "hello", "-o", tmp_path)
    ended = trapline("boot", tmp_path / "hello.elf", "--module", tmp_path / "hello" / "hello.elf")
    assert ended.status == 0
    assert ended.out.endswith("\nhello, world\n")


def test_without_a_name_all_images_are_built(trapline: Trapline, tmp_path: Path) -> None:
    assert trapline("build", "-o", tmp_path).status == 0
    assert {file.stem for file in tmp_path.glob("*.elf")} == {name for name, _ in images()}


@pytest.mark.parametrize(("arguments", "words"), [
    (("nosuch",), ("nosuch: neither an image nor a file here",)),
    (("/nonexistent.toml",), ("/nonexistent.toml: no such file",)),
    (("/dev/null",), ("no manifest", ".toml")),
    (("hello", "-o", "/dev/null"), ("/dev/null",)),
    (("hello", "-o", "/proc/nonexistent"), ("/proc/nonexistent",)),
])
def test_what_cannot_be_built_is_one_line(arguments: tuple[str, ...], words: tuple[str, ...],
                                          trapline: Trapline) -> None:
    ended = trapline("build", *arguments)
    assert ended.status == ExitCode.BAD_INPUT
    assert ended.complains(*words), ended.err


def test_images_lists_every_image_and_the_default(trapline: Trapline) -> None:
    lines = trapline("images").out.splitlines()
    assert [line.split()[0] for line in lines] == [name for name, _ in images()]
    assert [line.split()[0] for line in lines if line.endswith("(the default)")] == ["preempt"]
