"""The one way in which a profile is refused."""

from __future__ import annotations

from difflib import get_close_matches
from typing import NoReturn

WIDTH = 80                          # characters of a value that an error line shows
LISTED = 20                         # names that an error line lists; of more, the nearest


class ProfileError(Exception):
    """A profile that cannot be used: one line with file, key, value and what is allowed."""


def refuse(path: object, key: str, text: str) -> NoReturn:
    """Raise ProfileError: `path`: `key`: `text`, on one line."""
    line = f"{path}: {key}: {text}" if key else f"{path}: {text}"
    raise ProfileError(line.replace("\n", "\\n").replace("\r", "\\r"))


def shown(value: object) -> str:
    """`value` as an error line shows it: cut if it is long."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):        # a number of thousands of digits, a list of lists of lists of ...
        return "a very long value"
    return text if len(text) <= WIDTH else text[:WIDTH] + "..."


def allowed(name: str, names: list[str]) -> str:
    """What to write instead of `name`: all that is allowed, or what looks like it."""
    if len(names) <= LISTED:
        return f"allowed are {', '.join(names)}" if names else "none is allowed"
    near = get_close_matches(name, names, 3, 0.5)
    return (f"nearest are {', '.join(near)}; " if near else "") + "`trapline profiles p5-166` shows them all"
