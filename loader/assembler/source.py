"""Source files as lines: comments taken off, one statement each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from loader.errors import Mistake, Place

LARGEST = 16 << 20          # bytes of one source file
LONGEST = 4096              # characters of a line, before and after macros

_PIECE = re.compile(r"""(?P<skip>"(?:\\.|[^"\\])*"|'(?:\\.|[^\\'])')|(?P<comment>;|\#|//)""")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file being read, and who included it."""

    name: str                           # as shown in messages and line tables
    path: Path | None                   # None: text that is in no file
    includer: SourceFile | None = None  #

    def chain(self) -> list[SourceFile]:
        """This file, the one that included it, and so on up to the main file."""
        files, file = [self], self.includer
        while file:
            files.append(file)
            file = file.includer
        return files


@dataclass(frozen=True, slots=True)
class Line:
    """A line of source, or of a macro's expansion."""

    text: str                           # the statement, without comment and outer space
    place: Place
    source: SourceFile                  # whose directory an .include in it starts from
    is_comment: bool = False            # a comment and nothing else
    depth: int = 0                      # expansions within expansions that led here


def read_text(path: Path) -> str:
    """The text of a source file. Raises Mistake with one line if it cannot be had."""
    try:
        if path.stat().st_size > LARGEST:
            raise Mistake(f"{path} is larger than {LARGEST >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Mistake(f"{path} is not UTF-8 text (byte {error.start:#x})") from None
    except (OSError, ValueError) as error:
        raise Mistake(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def lines(text: str, source: SourceFile) -> list[Line]:
    """The lines of a file, blank ones included. Raises AssemblyError for one that is too long."""
    found = []
    for index, raw in enumerate(re.split(r"\r\n|\n", text), 1):
        if len(raw) > LONGEST:
            raise Place(source.name, index, "").error(f"the line is longer than {LONGEST} characters")
        statement, comment = strip_comment(raw)
        place = Place(source.name, index, raw.strip())
        found.append(Line(statement, place, source, comment and not statement))
    return found


def strip_comment(raw: str) -> tuple[str, bool]:
    """A line without its comment and outer space, and whether it had one."""
    for match in _PIECE.finditer(raw):
        if match["comment"]:
            return raw[:match.start()].strip(), True
    return raw.strip(), False
