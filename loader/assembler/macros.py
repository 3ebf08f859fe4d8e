"""Text that is written once and assembled many times: macros, `.rept` and `.irp`.

A body is kept as lines and copied with its parameters replaced: `\\name` by the argument's text, `\\@` by a number
that differs in every expansion, `\\()` by nothing (it ends a name). Inside a string, `\\n`, `\\r` and `\\t` stay
escapes even if a parameter has that name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from loader.assembler.source import LONGEST, Line
from loader.assembler.tokens import STRING
from loader.errors import Mistake, Place

_PARAMETER = re.compile(r"\s*([A-Za-z_]\w*)\s*(?::\s*(req|vararg)\b)?\s*(?:=\s*(.*?))?\s*", re.ASCII)
_KEYWORD = re.compile(r"\s*([A-Za-z_]\w*)\s*=(?!=)\s*(.*)", re.ASCII | re.DOTALL)
_REPLACED = re.compile(r"\\(?:(?P<name>[A-Za-z_]\w*)|(?P<counter>@)|(?P<nothing>\(\)))", re.ASCII)
_STRING = re.compile(STRING)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a macro."""

    name: str               # replaced where the body says \\name
    default: str | None     # what it is if not given; None: empty, or an error if required
    required: bool          # :req
    rest: bool              # :vararg, takes all remaining arguments, commas included


@dataclass(frozen=True, slots=True)
class Macro:
    """A named body with parameters."""

    name: str
    parameters: tuple[Parameter, ...]
    body: tuple[Line, ...]
    place: Place            # of its .macro line

    def bind(self, text: str) -> dict[str, str]:
        """The text of each parameter for a use with arguments `text`. Raises Mistake if they do not fit."""
        values: dict[str, str] = {}
        positional = list(self.parameters)
        arguments = split(text)
        while arguments:
            keyword = _KEYWORD.fullmatch(arguments[0])
            if keyword and any(p.name == keyword[1] for p in self.parameters):
                values[keyword[1]] = keyword[2].strip()
                positional = [p for p in positional if p.name != keyword[1]]
                arguments.pop(0)
            elif not positional:
                raise Mistake(f"macro {self.name} takes {len(self.parameters)} arguments, and {arguments[0]!r} is more")
            elif positional[0].rest:
                values[positional.pop(0).name] = ", ".join(arguments)
                arguments = []
            else:
                values[positional.pop(0).name] = arguments.pop(0)
        return {p.name: self._value(p, values.get(p.name, "")) for p in self.parameters}

    def _value(self, parameter: Parameter, text: str) -> str:
        if not text and parameter.required:
            raise Mistake(f"macro {self.name} needs its argument {parameter.name!r}")
        return text or parameter.default or ""


def parse_heading(text: str) -> tuple[str, tuple[Parameter, ...]]:
    """Name and parameters from what follows `.macro`. Raises Mistake."""
    match = re.match(r"\s*([A-Za-z_]\w*)\s*,?(?=\s|$)(.*)", text, re.ASCII)
    if not match:
        raise Mistake(".macro needs a name: .macro NAME a, b=default, rest:vararg")
    parameters = []
    for piece in split(match[2]):
        found = _PARAMETER.fullmatch(piece)
        if not found:
            raise Mistake(f"{piece!r} is not a parameter: write name, name=default, name:req or name:vararg")
        parameters.append(Parameter(found[1], found[3], found[2] == "req", found[2] == "vararg"))
    names = [p.name for p in parameters]
    if len(set(names)) < len(names):
        raise Mistake("two parameters have the same name")
    if any(p.rest for p in parameters[:-1]):
        raise Mistake("only the last parameter can be :vararg")
    return match[1], tuple(parameters)


def split(text: str) -> list[str]:
    """Arguments separated by commas that stand outside strings and brackets, without the space around them."""
    pieces: list[str] = []
    depth = start = 0
    for match in re.finditer(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^\\'])')|[\[\](),]""", text):
        character = match[0]
        if character in "[(":
            depth += 1
        elif character in "])":
            depth -= 1
        elif character == "," and depth <= 0:
            pieces.append(text[start:match.start()].strip())
            start = match.end()
    last = text[start:].strip()
    return [*pieces, last] if pieces or last else []


@dataclass(frozen=True, slots=True)
class Expansion:
    """One copying of a body."""

    values: Mapping[str, str]   # text of each parameter
    counter: int                # what \\@ becomes
    depth: int                  # expansions that this one is inside of, itself included
    use: Place | None = None    # of a macro's use, which the copies take over; .rept and .irp keep their own
    macro: str = ""             # its name, for the chain of places

    def copy(self, line: Line) -> Line:
        """`line` with parameters replaced. Raises Mistake if it grows too long."""
        text = substitute(line.text, self.values, self.counter) if "\\" in line.text else line.text
        origin = line.place
        if self.use is None:
            place = Place(origin.file, origin.line, text, origin.chain)
        else:
            phrase = f"at {origin.file}:{origin.line}, in macro {self.macro}"
            place = Place(self.use.file, self.use.line, text, (phrase, *self.use.chain))
        return replace(line, text=text, place=place, depth=self.depth)


def substitute(text: str, values: Mapping[str, str], counter: int) -> str:
    """`text` with parameters, `\\@` and `\\()` replaced. Raises Mistake if it grows too long."""
    strings = [match.span() for match in _STRING.finditer(text)]

    def replacement(match: re.Match[str]) -> str:
        if match["counter"]:
            return str(counter)
        if match["nothing"]:
            return ""
        name = match["name"]
        escape = name in ("n", "r", "t") and any(start < match.start() < end for start, end in strings)
        return match[0] if escape or name not in values else values[name]

    result = _REPLACED.sub(replacement, text)
    if len(result) > LONGEST:
        raise Mistake(f"the line grows beyond {LONGEST} characters")
    return result
