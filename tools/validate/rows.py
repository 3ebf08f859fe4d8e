"""Tables of measured instructions: CSV files with the columns of COLUMNS.

Lines that begin with # are comments. A row is one instruction on one processor: latency and reciprocal throughput in
cycles, and for a string instruction with REP the bytes that it moves in a cycle, within the first cache; what was not
measured is empty.
"""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tools.validate.processors import PROCESSORS

PUBLISHED = Path(__file__).with_name("published.csv")      # the table that comes with Trapline
COLUMNS = ("cpu", "insn", "latency_c", "recip_throughput_c", "bw_l1d_bytes_per_c", "source_file")
MOST = 1_000_000                                           # no figure is larger


class RowsError(Exception):
    """A table that cannot be used: one line with file, line, column and what is allowed."""


class Kind(StrEnum):
    """What of an instruction was measured."""

    LATENCY = "latency"             # cycles from operands to result
    THROUGHPUT = "throughput"       # cycles from one to the next that does not depend on it
    BANDWIDTH = "bandwidth"         # bytes in a cycle, both streams of MOVS and CMPS counted


FIGURES = {Kind.LATENCY: "latency_c", Kind.THROUGHPUT: "recip_throughput_c", Kind.BANDWIDTH: "bw_l1d_bytes_per_c"}


@dataclass(frozen=True)
class Row:
    """One line of a table."""

    cpu: str                        # of processors.PROCESSORS, or the name of a profile
    insn: str                       # as InstLatx64 writes it
    figures: dict[Kind, float]      # those that were measured
    source: str                     # the file that they come from

    @property
    def profile(self) -> str:
        """The name of the profile that stands for its processor."""
        return PROCESSORS[self.cpu].profile if self.cpu in PROCESSORS else self.cpu


def read_rows(path: Path, profiles: Iterable[str]) -> list[Row]:
    """The rows of a table. `profiles` are names that its column cpu may hold besides PROCESSORS. Raises RowsError."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise RowsError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise RowsError(f"{path}: not text in UTF-8: must be CSV with the columns {','.join(COLUMNS)}") from None
    known = [*PROCESSORS, *profiles]
    return [_row(f"{path}: line {number}", cells, known) for number, cells in _table(path, lines)]


def _table(path: Path, lines: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cell of each of COLUMNS) of each row."""
    numbers = [number for number, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if not numbers:
        raise RowsError(f"{path}: empty: must begin with the columns {','.join(COLUMNS)}")
    header = [name.strip() for name in next(csv.reader([lines[numbers[0] - 1]]))]
    for name in COLUMNS:
        if name not in header:
            raise RowsError(f"{path}: line {numbers[0]}: no column {name}: the columns are {','.join(COLUMNS)}")
    for number in numbers[1:]:
        try:
            cells = next(csv.reader([lines[number - 1]], strict=True))
        except csv.Error as error:
            raise RowsError(f"{path}: line {number}: not CSV: {error}") from None
        if len(cells) != len(header):
            raise RowsError(f"{path}: line {number}: {len(cells)} columns: must be {len(header)}, as in the first line "
                            "(a text with a comma stands in quotes)")
        row = dict(zip(header, cells, strict=True))
        yield number, {name: row[name].strip() for name in COLUMNS}


def _row(place: str, cells: dict[str, str], known: list[str]) -> Row:
    if cells["cpu"] not in known:
        near = difflib.get_close_matches(cells["cpu"], known, n=1)
        raise RowsError(f"{place}: column cpu: {cells['cpu']!r}: must be "
                        + (f"a known processor; the nearest is {near[0]}" if near else f"one of {', '.join(known)}"))
    if not cells["insn"]:
        raise RowsError(f"{place}: column insn: empty: must be an instruction, such as ADD r32, r32")
    figures = {kind: _number(place, column, cells[column]) for kind, column in FIGURES.items() if cells[column]}
    return Row(cells["cpu"], cells["insn"], figures, cells["source_file"])


def _number(place: str, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= MOST:
        raise RowsError(f"{place}: column {column}: {text!r}: must be a number above 0, at most {MOST}, or empty")
    return value
