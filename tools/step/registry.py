"""The commands of the debugger: how one is declared, found, and explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.step.session import Session


class Mistake(Exception):
    """What a person got wrong: one line."""


@dataclass(frozen=True)
class Answer:
    """What a command has to say."""

    text: str = ""                      # for people; "" for nothing
    data: dict[str, Any] | None = None  # for JSON
    moved: bool = False                 # the machine may stand elsewhere now: say where


Function = Callable[[Session, str], Answer]


@dataclass(frozen=True)
class Command:
    """One command."""

    names: tuple[str, ...]              # the first one is its name, the others are short for it
    usage: str                          # its arguments
    help: str                           # one sentence
    group: str                          # heading under which help lists it
    function: Function                  # carries it out, given what follows its name
    repeats: bool                       # an empty line repeats it


COMMANDS: dict[str, Command] = {}       # by every name


def command(names: str, usage: str, help_text: str, group: str,
            repeats: bool = False) -> Callable[[Function], Function]:
    """Declare a function to be a command. `names` are separated by blanks."""

    def declare(function: Function) -> Function:
        declared = Command(tuple(names.split()), usage, help_text, group, function, repeats)
        COMMANDS.update(dict.fromkeys(declared.names, declared))
        return function

    return declare


def find(name: str) -> Command:
    """The command with that name, or the only one that begins so. Raises Mistake."""
    if name in COMMANDS:
        return COMMANDS[name]
    meant = {each.names[0]: each for begun, each in COMMANDS.items() if begun.startswith(name)}
    if len(meant) == 1:
        return next(iter(meant.values()))
    also = f": do you mean {', '.join(sorted(meant))}?" if meant else ": type help for a list"
    raise Mistake(f"no command {name!r}{also}")


def number(text: str, default: int, what: str = "number") -> int:
    """A positive number, `default` if there is none. Raises Mistake."""
    if not text:
        return default
    try:
        value = int(text, 0)
    except ValueError:
        value = 0
    if not 0 < value < 1 << 62:
        raise Mistake(f"{text!r} is no {what}: give one from 1 on")
    return value
