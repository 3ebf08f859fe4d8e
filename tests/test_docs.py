"""The commands in the README and the documentation work, and print what is shown.

A line `$ command` in a fenced block is run by a shell, all those of a page in one directory of their own; the lines
under it are its output, where a line `...` stands for any number of lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.exit_codes import ExitCode

ROOT = Path(__file__).parent.parent
PAGES = [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if "\n$ " in path.read_text()]


def commands(page: Path) -> list[tuple[str, str]]:
    """(command, shown output) of each command of a page, in order."""
    found = []
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        if not language and block.startswith("$ "):
            for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                line, _, output = command.partition("\n")
                found.append((line, output))
    return found


def matches(shown: str, printed: str) -> bool:
    """Whether output is as shown."""
    parts = [r"(?:.*\n)*?" if line == "..." else re.escape(line) + r"\n" for line in shown.splitlines()]
    whole = printed if printed.endswith("\n") or not printed else printed + "\n"
    return re.fullmatch("".join(parts), whole) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_a_page_print_what_is_shown(page: Path, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for command, shown in commands(page):
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env={**os.environ, "PATH": path}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
        assert matches(shown, done.stdout), f"$ {command}\n{done.stdout}"


def test_the_pages_have_commands() -> None:
    assert {"README", "command-line", "tutorial"} <= {page.stem for page in PAGES}
    assert all(commands(page) for page in PAGES)


def test_the_exit_codes_are_listed() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text()
    assert [(int(code), phrase) for code, phrase in re.findall(r"^\| (\d+) \| (.*) \|$", text, re.MULTILINE)] == [
        (code.value, code.phrase) for code in ExitCode]


def test_links_between_pages_lead_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_index_lists_every_page() -> None:
    listed = set(re.findall(r"\]\(([\w-]+\.md)\)", (ROOT / "docs" / "index.md").read_text()))
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}


def test_the_targets_of_make_that_are_shown_exist() -> None:
    shown = set(re.findall(r"\bmake ([a-z]+)$", (ROOT / "README.md").read_text(), re.MULTILINE))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert shown and shown <= targets
