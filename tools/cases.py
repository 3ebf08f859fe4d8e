"""The file of a run of `trapline explore` that broke: everything that is needed to make it again.

    digest = "5a0c..."              # of what was booted
    arguments = ["race", "--from", "count_up"]      # of the command that found it
    ticks = [66717]                 # instructions retired in front of each tick that was placed
    reason = "exit code 1 instead of 0"             # what broke
    where = "add_one+0x5"           # the instruction in front of which the last tick came
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

KEYS = {"digest": str, "arguments": list, "ticks": list, "reason": str, "where": str}


@dataclass(frozen=True)
class Case:
    """See above."""

    digest: str
    arguments: tuple[str, ...]
    ticks: tuple[int, ...]
    reason: str
    where: str

    def save(self, path: Path) -> None:
        """Write it. Raises OSError."""
        lines = ["# A run that breaks. To make it again: trapline explore --replay THIS-FILE"]
        lines += [f"{key} = {json.dumps(getattr(self, key))}" for key in KEYS]      # such JSON is TOML, too
        path.write_text("\n".join(lines) + "\n")

    @classmethod
    def load(cls, path: Path) -> Case:
        """Read it. Raises ValueError and OSError."""
        try:
            values = tomllib.loads(path.read_bytes().decode())
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ValueError(f"{path}: not TOML: {error}") from None
        for key, kind in KEYS.items():
            if not isinstance(values.get(key), kind):
                raise ValueError(f"{path}: no case of trapline explore: {key} is missing or wrong")
        arguments, ticks = values["arguments"], values["ticks"]
        if {type(each) for each in arguments} - {str} or {type(each) for each in ticks} != {int}:
            raise ValueError(f"{path}: no case of trapline explore: arguments are strings, ticks numbers")
        return cls(values["digest"], tuple(arguments), tuple(ticks), values["reason"], values["where"])
