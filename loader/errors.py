"""Where a statement stands, and what is said when something is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class Mistake(Exception):
    """A fault of the source, found by code that does not know where it stands; the unit adds the place."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement comes from. For a macro's statement, file and line are those of the outermost use."""

    file: str                       # name as shown
    line: int                       # counted from 1; 0 when no line is meant
    text: str                       # the statement or source line, for messages
    chain: tuple[str, ...] = ()     # for a macro's statement: one phrase per expansion, innermost first

    def error(self, message: str) -> AssemblyError:
        """The error that `message` is, here."""
        return AssemblyError(message, self)


class AssemblyError(Exception):
    """The source is wrong: prints as `file:line: message`, the source line, and the macros it went through.

    `file`, `line` and `text` are of the first error; `errors` lists all that were found, this one first.
    """

    def __init__(self, message: str, place: Place, more: Sequence[AssemblyError] = ()) -> None:
        self.message = message
        self.place = place
        self.file, self.line, self.text = place.file, place.line, place.text
        self.errors: list[AssemblyError] = [self, *more]
        super().__init__(message)

    def __str__(self) -> str:
        return "\n".join(error.described for error in self.errors)

    @property
    def described(self) -> str:
        """This error alone, as printed."""
        where = f"{self.file}:{self.line}" if self.line else self.file
        lines = [f"{where}: {self.message}"]
        if self.text:
            lines.append(f"    {self.text}")
        lines += [f"  {phrase}" for phrase in self.place.chain]
        return "\n".join(lines)


def collected(errors: Sequence[AssemblyError]) -> AssemblyError:
    """One error out of several, none of them lost."""
    first = errors[0]
    return AssemblyError(first.message, first.place, errors[1:])
