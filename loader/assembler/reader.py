"""The stream of statements: includes followed, macros expanded, conditions decided.

The reader knows what repeats, selects and includes text, and nothing of what statements mean. For conditions it asks
`Known` for the value of an expression and whether a name is defined so far.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from loader.assembler import macros, source
from loader.assembler.macros import Expansion, Macro
from loader.assembler.source import Line, SourceFile
from loader.assembler.tokens import STRING
from loader.errors import Mistake, Place

MOST_LINES = 250_000        # made by expansions
DEEPEST = 64                # expansions or includes within each other

_LABEL = re.compile(r"(\.?[A-Za-z_]\w*)\s*:(?!:)\s*", re.ASCII)
_BEHIND_LABELS = re.compile(r"(?:\.?[A-Za-z_]\w*\s*:\s*)*(\.\w+)", re.ASCII)
_HEAD = re.compile(r"(\.?[A-Za-z_]\w*)\s*(.*)", re.ASCII | re.DOTALL)


class Known(Protocol):
    """What the reader asks while it reads."""

    def constant(self, text: str) -> int:
        """The value of an expression that must be known by now. Raises Mistake."""
        ...

    def is_defined(self, name: str) -> bool:
        """Whether a symbol has been defined so far."""
        ...


class Condition(NamedTuple):
    """An open .if: where it stands and what became of it."""

    place: Place
    active: bool            # lines are read
    decided: bool           # a branch was taken, or none may be
    has_else: bool


class Reader:
    """Reads a source; `read` gives one statement after the other."""

    def __init__(self, text: str, file: SourceFile, include: Sequence[Path], known: Known) -> None:
        self._pending = deque(source.lines(text, file))
        self._include = include
        self._known = known
        self._conditions: list[Condition] = []
        self._macros: dict[str, Macro] = {}
        self._expansions = 0
        self._copied = 0                                    # lines made by expansions so far
        self.inputs: list[str] = [str(file.path)] if file.path else []     # every file read so far
        self._directives: dict[str, Callable[[Line, str], None]] = {
            ".include": self._on_include, ".macro": self._on_macro, ".rept": self._on_rept, ".irp": self._on_irp,
            ".endm": self._on_stray, ".endr": self._on_stray, ".error": self._on_error}

    def read(self) -> Line | None:
        """The next statement (text may be empty: a blank or comment line), None at the end.

        A label is a statement of its own. Raises AssemblyError; the next call goes on behind the fault.
        """
        while self._pending:
            line = self._pending.popleft()
            try:
                if self._consumed(line):
                    continue
            except Mistake as mistake:
                raise line.place.error(str(mistake)) from None
            label = _LABEL.match(line.text)
            if label and label.end() < len(line.text):
                self._pending.appendleft(_with_text(line, line.text[label.end():]))
                line = _with_text(line, label[0].strip())
            return line
        if self._conditions:
            raise self._conditions.pop().place.error("this .if has no .endif")
        return None

    def _consumed(self, line: Line) -> bool:
        """Handle `line` if it is a matter of the reader."""
        head = _HEAD.match(line.text)
        word = head[1].lower() if head else ""
        rest = head[2] if head else ""
        if word.startswith(".if") or word in (".else", ".elseif", ".endif"):
            self._on_condition(line, word, rest)
            return True
        if self._conditions and not self._conditions[-1].active:
            return True
        if word in self._directives:
            self._directives[word](line, rest)
            return True
        if head and head[1] in self._macros and not rest.startswith((":", "=")):
            self._use(self._macros[head[1]], line, rest)
            return True
        return False

    # Conditions

    def _on_condition(self, line: Line, word: str, rest: str) -> None:
        if word.startswith(".if"):
            outer = not self._conditions or self._conditions[-1].active
            taken = False
            try:
                taken = outer and self._test(word, rest)
            finally:
                self._conditions.append(Condition(line.place, taken, taken or not outer, False))
            return
        if not self._conditions:
            raise Mistake(f"{word} without .if")
        place, _, decided, has_else = self._conditions.pop()
        if word == ".endif":
            return
        try:
            if has_else:
                raise Mistake(f"{word} after .else")
            taken = not decided and (word == ".else" or self._test(".if", rest))
        except Mistake:
            self._conditions.append(Condition(place, False, True, has_else))
            raise
        self._conditions.append(Condition(place, taken, decided or taken, word == ".else"))

    def _test(self, word: str, rest: str) -> bool:
        if word == ".if":
            return self._known.constant(rest) != 0
        if word in (".ifdef", ".ifndef"):
            if not re.fullmatch(r"\.?[A-Za-z_]\w*", rest, re.ASCII):
                raise Mistake(f"{word} needs one name")
            return self._known.is_defined(rest) == (word == ".ifdef")
        if word in (".ifb", ".ifnb"):
            return (not rest.strip()) == (word == ".ifb")
        raise Mistake(f"unknown directive {word}: conditions are .if .ifdef .ifndef .ifb .ifnb")

    # Repetition

    def _on_macro(self, line: Line, rest: str) -> None:
        body = self._body(line, ".macro", ".endm")
        name, parameters = macros.parse_heading(rest)
        if name in self._macros:
            before = self._macros[name].place
            raise Mistake(f"macro {name} is already defined at {before.file}:{before.line}")
        self._macros[name] = Macro(name, parameters, body, line.place)

    def _on_rept(self, line: Line, rest: str) -> None:
        body = self._body(line, ".rept", ".endr")
        count = self._known.constant(rest)
        if not 0 <= count <= MOST_LINES:
            raise Mistake(f".rept {count}: the count is out of range")
        self._repeat(line, body, [{}] * count)

    def _on_irp(self, line: Line, rest: str) -> None:
        body = self._body(line, ".rept", ".endr")
        name, *values = macros.split(rest) or [""]
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            raise Mistake(".irp needs a name and values: .irp reg, eax, ebx")
        self._repeat(line, body, [{name: value} for value in values])

    def _repeat(self, line: Line, body: tuple[Line, ...], rounds: list[dict[str, str]]) -> None:
        self._check(line, max(1, len(body)) * len(rounds))
        copies: list[Line] = []
        for values in rounds:
            self._expansions += 1
            expansion = Expansion(values, self._expansions, line.depth + 1)
            copies += [expansion.copy(inner) for inner in body]
        self._pending.extendleft(reversed(copies))

    def _use(self, macro: Macro, line: Line, rest: str) -> None:
        self._check(line, max(1, len(macro.body)))
        values = macro.bind(rest)
        self._expansions += 1
        expansion = Expansion(values, self._expansions, line.depth + 1, line.place, macro.name)
        self._pending.extendleft([expansion.copy(inner) for inner in reversed(macro.body)])

    def _check(self, line: Line, copies: int) -> None:
        """Before an expansion into so many lines: is it one too many?"""
        self._copied += copies
        if self._copied > MOST_LINES:
            self._pending.clear()
            self._conditions.clear()
            raise Mistake(f"macros make more than {MOST_LINES:,} lines")
        if line.depth >= DEEPEST:
            raise Mistake(f"macros are expanded more than {DEEPEST} deep: does one use itself without end?")

    def _body(self, line: Line, opening: str, closing: str) -> tuple[Line, ...]:
        """The lines up to the `closing` that belongs to `line`, taken."""
        openings = (".rept", ".irp") if opening == ".rept" else (opening,)
        body: list[Line] = []
        depth = 1
        while self._pending:
            inner = self._pending.popleft()
            head = _BEHIND_LABELS.match(inner.text)
            word = head[1].lower() if head else ""
            depth += (word in openings) - (word == closing)
            if not depth:
                return tuple(body)
            body.append(inner)
        raise Mistake(f"{line.text.split()[0]} has no {closing}")

    # Single directives

    def _on_include(self, line: Line, rest: str) -> None:
        if not re.fullmatch(STRING, rest):
            raise Mistake('.include needs a file name in quotes: .include "name.inc"')
        found = locate(rest[1:-1], line.source, self._include)
        assert found.path is not None
        chain = found.chain()
        if any(f.path and f.path.resolve() == found.path.resolve() for f in chain[1:]):
            names = " includes ".join(f.name for f in reversed(chain))
            raise Mistake(f"include cycle: {names}")
        if len(chain) > DEEPEST:
            raise Mistake(f"includes are more than {DEEPEST} deep")
        text = source.read_text(found.path)
        self.inputs.append(str(found.path))
        self._pending.extendleft(reversed(source.lines(text, found)))

    def _on_error(self, line: Line, rest: str) -> None:
        raise Mistake(rest[1:-1] if re.fullmatch(STRING, rest) else rest or ".error")

    def _on_stray(self, line: Line, rest: str) -> None:
        opening = ".macro" if line.text.lower().startswith(".endm") else ".rept or .irp"
        raise Mistake(f"{line.text.split()[0]} without {opening}")


def locate(name: str, source_file: SourceFile, include: Sequence[Path]) -> SourceFile:
    """The file that `name` means in `source_file`: beside it, else in one of `include`. Raises Mistake."""
    own = [source_file.path.parent] if source_file.path else []
    for directory in (*own, *include):
        path = directory / name
        try:
            if path.is_file():
                return SourceFile(_shown(path, directory, own, source_file), path, source_file)
        except (OSError, ValueError):
            continue
    searched = ", ".join(str(d) for d in (*own, *include)) or "nowhere: text without a file has no directory"
    raise Mistake(f"no file {name!r} (searched {searched})")


def _shown(path: Path, directory: Path, own: list[Path], source_file: SourceFile) -> str:
    """The name of a found file for messages: relative to how the including file is named if it lies beside it."""
    if own and directory == own[0] and path.is_relative_to(directory):
        path = Path(source_file.name).parent / path.relative_to(directory)
    return os.path.normpath(path)


def _with_text(line: Line, text: str) -> Line:
    return Line(text, line.place, line.source, line.is_comment, line.depth)

