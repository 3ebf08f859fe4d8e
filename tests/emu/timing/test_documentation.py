"""The page on profiles says what is so: its table, its keys, its examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emu.timing.figures import Certainty, Kind, terms
from emu.timing.profile import load_profile, profiles
from emu.timing.sections import Branch, Cache, Caches, InstructionCost, Memory, StringCost, Tlb, Tlbs
from emu.timing.timing import IDENTITY, SECTIONS

PAGE = Path(__file__).parents[3].joinpath("docs", "timing.md").read_text()


def rows(word: str) -> list[list[str]]:
    """The rows of the table whose first column is headed `word`, as words in code spans of each cell."""
    lines = PAGE[PAGE.index(f"| {word} |"):].splitlines()[2:]
    table = lines[:next(number for number, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def test_the_page_lists_the_profiles_and_their_pipelines() -> None:
    assert {row[0].strip("`"): row[2].split("`")[1] for row in rows("profile")} == {
        name: load_profile(name).kind.value for name in profiles()}


def test_the_page_explains_every_certainty() -> None:
    assert [row[0].strip("`") for row in rows("certainty")] == [each.value for each in Certainty]


def test_the_page_has_every_section() -> None:
    assert {row[0].strip("`") for row in rows("section")} == {"top", "sources", "documents", "pipeline", *SECTIONS}


@pytest.mark.parametrize("section", [Branch, Cache, Caches, InstructionCost, Memory, StringCost, Tlb, Tlbs])
def test_the_page_names_every_key_of_a_section(section: type) -> None:
    for name in (*terms(section), *IDENTITY, *(kind.value for kind in Kind)):
        suffix = re.search("_(large|l2)$", name)
        assert f"`{suffix[0] if suffix else name}`" in PAGE, name


def test_the_short_profile_of_the_page_loads(tmp_path: Path) -> None:
    example = next(block for block in re.findall("```toml\n(.*?)```", PAGE, re.DOTALL) if "description" in block)
    path = tmp_path / "mine.toml"
    path.write_text(example)
    assert load_profile(path).clock == 90_000_000


def test_the_python_of_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for block in re.findall("```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, {})
    assert capsys.readouterr().out.splitlines()[-1].startswith("15 gcc: ")
