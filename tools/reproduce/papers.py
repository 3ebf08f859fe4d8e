"""The figures of the papers, as they print them: papers/PAPER.toml, every table with its source."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).with_name("papers")


@cache
def paper(name: str) -> dict[str, Any]:
    """All tables of a paper, by name; [paper] says which it is."""
    return tomllib.loads((DIRECTORY / f"{name}.toml").read_text())


def figures(table: str) -> dict[str, Any]:
    """The figures of the table PAPER.TABLE."""
    name, _, key = table.partition(".")
    found: dict[str, Any] = paper(name)[key]
    return found


def source(table: str) -> str:
    """Where the table PAPER.TABLE is printed."""
    name, _, key = table.partition(".")
    return f"{paper(name)['paper']['title']} ({paper(name)['paper']['published']}), {paper(name)[key]['source']}"
