"""Paths: what lies between two points of a run, by name; and where a run went along them.

A file NAME.paths.toml beside an image, its manifest or its kernel's names them:

    [path.syscall]
    description = "system call by INT 80h"      # one line, for tables
    from = "int 0x80"                           # the point where it begins
    to = "return"                               # the point where it ends
    thread = "alone"                            # "same" (default): it ends in the thread in which it began;
                                                #   "alone": and no other thread was seen in between; "any"
    nesting = "latest"                          # which of several beginnings counts: the "latest" before its end
                                                #   (default), the "first" behind the end before; "nested": as brackets

A point is a crossing, or a place in the code that is reached:

    int N, exception N, #PF ...         INT n; a fault or trap of the processor
    vector N, irq N                     any of the three by its vector; an external interrupt by its line
    int, exception, interrupt           whatever the vector
    sysenter, sysexit, iret, retf, call gate, idle
    entry, return                       any crossing into the kernel, or event within it; any of the four that lead back
    SYMBOL, PROGRAM:SYMBOL, SYMBOL+0x12, 0xC0101234

with "from user" or "from kernel", "to user" or "to kernel" behind it if the ring matters. As `to`, "return" is the
return that belongs to where the path began, whatever interrupts and returns lie in between; with thread "any" it is
whatever return comes next.
"""

from __future__ import annotations

import difflib
import pathlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emu.crossings import Bits, Kind
from emu.monitor.names import Names
from emu.monitor.paths.pairing import ENTRIES, RETURNS, Returns, pair
from guest.abi.cpu import Vector

if TYPE_CHECKING:
    from loader.image import Image

EVENTS = (Kind.EXCEPTION, Kind.SOFTWARE, Kind.INTERRUPT)
WORDS: dict[str, tuple[Kind, ...]] = {              # what a point may be besides a place
    "int": (Kind.SOFTWARE,), "exception": (Kind.EXCEPTION,), "interrupt": (Kind.INTERRUPT,), "vector": EVENTS,
    "irq": (Kind.INTERRUPT,), "sysenter": (Kind.SYSENTER,), "sysexit": (Kind.SYSEXIT,), "iret": (Kind.IRET,),
    "retf": (Kind.RETF,), "call gate": (Kind.CALL_GATE,), "idle": (Kind.IDLE,), "entry": ENTRIES, "return": RETURNS,
}
NUMBERED = {"int": 256, "exception": 32, "vector": 256, "irq": 16}     # words that a number may follow, and its limit
MUST = ("vector", "irq")                                               # ... or must
THREADS = ("same", "alone", "any")
NESTINGS = ("latest", "first", "nested")
KEYS = ("description", "from", "to", "thread", "nesting")
_RINGS = re.compile(r"(?P<what>.*?)(?:\s+from (?P<before>user|kernel))?(?:\s+to (?P<behind>user|kernel))?")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class PathError(ValueError):
    """A file of paths, or a path, that makes no sense: one line that says what, where and what is allowed."""


@dataclass(frozen=True)
class Point:
    """A point of a run."""

    text: str                           # as it was given
    kinds: tuple[Kind, ...]             # what its records are
    vector: int | None = None           # None: any
    line: int | None = None             # of an interrupt; None: any
    before: str | None = None           # "user" or "kernel": the ring in front of it; None: any
    behind: str | None = None           # ... and behind it
    place: str | None = None            # for MARK: what `Names.resolve` takes

    def among(self, crossings: NDArray[Any], names: Names,
              spaces: Mapping[int, str] | None = None) -> NDArray[np.bool_]:
        """Which crossings are this point. `spaces` (CR3 -> program) tells programs at the same addresses apart.

        Raises PathError for a place that the image does not have.
        """
        found = np.isin(crossings["kind"], self.kinds)
        if self.vector is not None:
            found &= crossings["vector"] == self.vector
        if self.line is not None:
            found &= crossings["line"] == self.line
        for ring, shift in ((self.before, 2), (self.behind, 0)):
            if ring:
                found &= ((crossings["space"] >> shift & Bits.TO) == 3) == (ring == "user")
        if self.place is not None:
            address, program = self.resolve(names)
            found &= crossings["to"] == address
            directories = [space for space, name in (spaces or {}).items() if name == program]
            if program and directories:
                found &= np.isin(crossings["space"] & 0xFFFFF000, directories)
        return found

    def resolve(self, names: Names) -> tuple[int, str]:
        """(address, program) of its place. Raises PathError."""
        try:
            return names.resolve(self.place or "")
        except ValueError as error:
            near = difflib.get_close_matches(self.place or "", WORDS, n=1)
            raise PathError(f"{self.place!r} is neither a crossing nor a symbol: did you mean {near[0]}?" if near
                            else str(error)) from None


@dataclass(frozen=True)
class NamedPath:
    """A path."""

    name: str
    begin: Point
    end: Point
    description: str = ""
    thread: str = "same"                # one of THREADS
    nesting: str = "latest"             # one of NESTINGS
    source: str = ""                    # where it was defined, for messages

    def occurrences(self, crossings: NDArray[Any], names: Names, spaces: Mapping[int, str] | None = None,
                    returns: Returns | None = None) -> NDArray[np.int64]:
        """Where a run went along it: rows of two numbers of crossings, its begin and its end, in order of the begins.

        One across records that are missing (LOST), or during which recording was off, is left out. `returns` are those
        of the crossings, if somebody has them already. Raises PathError.
        """
        try:
            begins, ends = (point.among(crossings, names, spaces) for point in (self.begin, self.end))
        except PathError as error:
            raise PathError(f"{self.source or 'path.' + self.name}: {error}") from None
        if self.end.kinds == RETURNS and self.thread != "any":
            pairs = (returns or Returns(crossings)).pair(begins, ends)
        else:
            threads = np.zeros(len(crossings), np.uint32) if self.thread == "any" else crossings["thread"]
            pairs = pair(begins, ends, threads, self.nesting)
        keep = _same(np.isin(crossings["kind"], (Kind.LOST, Kind.BEGIN, Kind.END)), pairs)
        if self.thread == "alone":
            keep &= _same(np.diff(crossings["thread"], prepend=crossings["thread"][:1]) != 0, pairs)
        return pairs[keep]


def marks(paths: Iterable[NamedPath], names: Names) -> list[int]:
    """The addresses at which a monitor must note arrivals for these paths. Raises PathError."""
    found = set()
    for path in paths:
        try:
            found |= {point.resolve(names)[0] for point in (path.begin, path.end) if point.place is not None}
        except PathError as error:
            raise PathError(f"{path.source or 'path.' + path.name}: {error}") from None
    return sorted(found)


def unseen(paths: Iterable[NamedPath], names: Names, marked: Iterable[int]) -> list[NamedPath]:
    """Those of which a recording with MARKs at `marked` alone cannot know, though it has no occurrence of them.

    Raises PathError.
    """
    known = set(marked)
    return [path for path in paths if not known.issuperset(marks([path], names))]


def image_marks(image: Image | None) -> list[int]:
    """The addresses at which a monitor must note arrivals for the paths of an image, as far as it has their places.

    Raises PathError and OSError for its files.
    """
    names, found = Names.of(image), set()
    for path in load(image.path_files if image else ()).values():
        with suppress(PathError):
            found |= set(marks([path], names))
    return sorted(found)


def load(files: Iterable[pathlib.Path]) -> dict[str, NamedPath]:
    """The paths of these files, by name; of two with the same name the later counts. Raises PathError and OSError."""
    return {path.name: path for file in files for path in read(file)}


def read(file: pathlib.Path) -> list[NamedPath]:
    """The paths of a file. Raises PathError and OSError."""
    try:
        document = tomllib.loads(file.read_bytes().decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise PathError(f"{file}: not TOML: {error}") from None
    tables = document.get("path", {})
    wrong = next(iter(document.keys() - {"path"}), None if isinstance(tables, dict) else "path")
    if wrong:
        raise PathError(f"{file}: {wrong}: only tables [path.NAME] may stand here")
    return [_path(file, name, table) for name, table in tables.items()]


def path(name: str, values: Mapping[str, Any], source: str = "") -> NamedPath:
    """The path that a table describes; `source` is what messages begin with. Raises PathError."""
    source = source or f"path.{name}"
    for key, value in values.items():
        if key not in KEYS:
            raise PathError(f"{source}: has no key {key!r}; allowed: {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise PathError(f"{source}.{key}: is {value!r}: give a string")
    for key in ("from", "to"):
        if key not in values:
            raise PathError(f"{source}.{key}: is missing: name the point at which the path "
                            f"{'begins' if key == 'from' else 'ends'}")
    for key, allowed in (("thread", THREADS), ("nesting", NESTINGS)):
        if key in values and values[key] not in allowed:
            raise PathError(f"{source}.{key}: is {values[key]!r}: must be {', '.join(allowed)}")
    points = {}
    for key in ("from", "to"):
        try:
            points[key] = point(values[key])
        except PathError as error:
            raise PathError(f"{source}.{key}: {error}") from None
    return NamedPath(name, points["from"], points["to"], values.get("description", ""), values.get("thread", "same"),
                     values.get("nesting", "latest"), source)


def point(text: str) -> Point:
    """The point that `text` describes. Raises PathError; whether a place exists is found out later."""
    match = _RINGS.fullmatch(text.strip())
    what = " ".join(match["what"].split()) if match else ""
    if not match or not what:
        raise PathError(f"{text!r} is no point: name a crossing ({', '.join(WORDS)}) or a symbol")
    rings = {"before": match["before"], "behind": match["behind"]}
    if what.startswith("#"):
        return Point(text, (Kind.EXCEPTION,), _mnemonic(what), None, **rings)
    word, _, number = what.rpartition(" ") if what not in WORDS else (what, "", "")
    if not word or word == "call":
        return Point(text, (Kind.MARK,), None, None, **rings, place=what)
    if word not in WORDS or (number and word not in NUMBERED):
        near = difflib.get_close_matches(word, WORDS, n=1)
        hint = f"did you mean {near[0]}?" if near else "name a crossing or a symbol"
        raise PathError(f"{text!r} is no point: {hint}")
    value = _number(word, number) if number or word in MUST else None
    return Point(text, WORDS[word], None if word == "irq" else value, value if word == "irq" else None, **rings)


def _number(word: str, text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < NUMBERED[word]:
        raise PathError(f"'{f'{word} {text}'.strip()}': give {word} a number from 0 to {NUMBERED[word] - 1}")
    return value


def _mnemonic(text: str) -> int:
    """The vector of Intel's mnemonic of an exception."""
    known = {f"#{each.name.removeprefix('EXC_')}": int(each) for each in Vector if each.name.startswith("EXC_")}
    if text not in known:
        raise PathError(f"{text!r} is no exception: must be one of {', '.join(known)}")
    return known[text]


def _path(file: pathlib.Path, name: str, table: Any) -> NamedPath:
    source = f"{file}: path.{name}"
    if not _NAME.fullmatch(name):
        raise PathError(f"{file}: {name!r}: call a path by letters, digits and _ . -")
    if not isinstance(table, dict):
        raise PathError(f"{source}: is {table!r}: give a table")
    return path(name, table, source)


def _same(changes: NDArray[np.bool_], pairs: NDArray[np.int64]) -> NDArray[np.bool_]:
    """For which pairs there is no change behind the first up to the second."""
    passed = np.cumsum(changes)
    return passed[pairs[:, 0]] == passed[pairs[:, 1]]
