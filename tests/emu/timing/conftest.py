"""What the tests of profiles share: profiles as nested dictionaries, changed and written back as TOML."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emu.timing.profile import DIRECTORY

sys.path.insert(0, str(Path(__file__).parent))          # so that tests find `snippets`

Write = Callable[[dict[str, Any]], Path]


def inline(value: Any) -> str:
    """A value in TOML, tables within the line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    return str(value).lower()               # true, inf, nan, 1e+16, 3


@pytest.fixture
def values() -> Callable[[str], dict[str, Any]]:
    """Reads a profile that comes with the machine, as TOML has it."""
    return lambda name: tomllib.loads((DIRECTORY / f"{name}.toml").read_text())


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a profile of one's own."""

    def make(content: dict[str, Any]) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text("".join(f"{json.dumps(key)} = {inline(value)}\n" for key, value in content.items()))
        return path

    return make
