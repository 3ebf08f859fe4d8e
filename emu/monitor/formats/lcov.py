"""Coverage of the guest's sources as LCOV writes it (geninfo(1), "FILES"): for genhtml and editors.

For each source file SF, the functions FN with how often each was entered (FNDA), and the lines DA with how often
execution arrived at their first instruction; a macro or loop that puts a line at several addresses adds them up. A
function is a symbol to which the code of a line belongs. Lines of data do not count, if the image says where its code
is (`__text_start`, as our linker does).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.crossings import Kind
from emu.monitor.formats.labels import CR3
from emu.monitor.paths.pairing import RETURNS
from emu.monitor.trace.file import Trace
from emu.monitor.trace.frames import Frame
from loader.manifest import GUEST
from loader.symbols import LineMap, SymbolTable

BY_INSTRUCTION = (Kind.SOFTWARE, Kind.SYSENTER, Kind.CALL_GATE, *RETURNS, Kind.OTHER)     # crossings
UNKNOWN = 1 << 40           # instructions
LONGEST_TURN = 48           # blocks of a loop whose turns the machine may skip (emu.cpu.spinning): one a byte at most


def lines(trace: Trace, folders: Iterable[Path] = ()) -> Iterator[str]:
    """The lines of the file. A source is looked for in `folders`, among the guest's own sources, and where we are; its
    name stays as it is if it is nowhere.
    """
    places = [*folders, GUEST, Path.cwd()]
    found: defaultdict[str, _Source] = defaultdict(_Source)
    covered = coverage(trace)
    names = trace.names
    for program, symbols, table in (("", names.symbols, names.lines), *(
            (program, symbols, names.program_lines.get(program, LineMap())) for program, symbols
            in names.programs.items())):
        _count(found, symbols, table, covered.get(program))
    yield "TN:"
    for file, source in found.items():
        yield f"SF:{_path(file, places)}"
        yield from source.records()
        yield "end_of_record"


class _Source:
    """What is known of one source file."""

    def __init__(self) -> None:
        self.lines: defaultdict[int, int] = defaultdict(int)            # line -> count
        self.functions: dict[str, tuple[int, int]] = {}                 # name -> (line, count)

    def records(self) -> Iterator[str]:
        """Its lines of the file, from functions to totals."""
        functions = sorted(self.functions.items(), key=lambda item: item[1])
        for name, (line, _) in functions:
            yield f"FN:{line},{name}"
        for name, (_, count) in functions:
            yield f"FNDA:{count},{name}"
        yield f"FNF:{len(functions)}"
        yield f"FNH:{sum(count > 0 for _, (_, count) in functions)}"
        for line, count in sorted(self.lines.items()):
            yield f"DA:{line},{count}"
        yield f"LF:{len(self.lines)}"
        yield f"LH:{sum(count > 0 for count in self.lines.values())}"


def _path(file: str, folders: Iterable[Path]) -> str:
    """The file's full name, if it is in one of the folders."""
    return next((str(path.resolve()) for folder in folders if (path := folder / file).is_file()), file)


def _count(found: Mapping[str, _Source], symbols: SymbolTable, table: LineMap, ranges: NDArray[Any] | None) -> None:
    """Add the counts of a kernel or program."""
    first, last = (symbols.address(name) if name in symbols else edge
                   for name, edge in (("__text_start", 0), ("__text_end", 1 << 32)))
    starts = np.array([address for address, _, _ in table.entries], np.int64)
    counts = np.zeros(len(starts) + 1, np.int64)
    if ranges is not None:
        np.add.at(counts, np.searchsorted(starts, ranges[:, 0]), ranges[:, 2])
        np.subtract.at(counts, np.searchsorted(starts, ranges[:, 1]), ranges[:, 2])
    for (address, file, line), count in zip(table.entries, np.cumsum(counts).tolist(), strict=False):
        if not line or not (first <= address < last or _is_boot(symbols, address)):
            continue
        source = found[file]
        source.lines[line] += count
        symbol = symbols.find(address)
        if symbol and symbol[1] == 0:
            before = source.functions.get(symbol[0], (line, 0))
            source.functions[symbol[0]] = before[0], before[1] + count


def _is_boot(symbols: SymbolTable, address: int) -> bool:
    """Whether an address lies in the section of what runs before paging."""
    edges = ("__boot_start", "__boot_end")
    return all(name in symbols for name in edges) and symbols.address(edges[0]) <= address < symbols.address(edges[1])


def coverage(trace: Trace) -> dict[str, NDArray[np.int64]]:
    """What ran, by program, "" for the kernel and for what is in no known program's address space: rows of three,
    linear address of the first byte, the byte behind the last, and how often.
    """
    frame = Frame(trace.crossings, trace.blocks, first_block=trace.first_block)
    if not len(frame.blocks):
        return {}
    begin, size, times = _executed(frame, trace)
    spaces, of_space = np.unique(frame.blocks["space"] & CR3, return_inverse=True)
    keys, numbers = np.unique(of_space.astype(np.int64) << 48 | begin << 16 | size, return_inverse=True)
    totals = np.zeros(len(keys), np.int64)
    np.add.at(totals, numbers, times)
    found: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for key, total in zip(keys.tolist(), totals.tolist(), strict=True):
        start = key >> 16 & 0xFFFFFFFF
        owner = trace.names.find(start, trace.end.spaces.get(int(spaces[key >> 48]), ""))
        found[owner[0] if owner else ""].append((start, start + (key & 0xFFFF), total))
    return {program: np.array(rows, np.int64) for program, rows in found.items()}


def _executed(frame: Frame, trace: Trace) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each block: where it began, how many of its bytes ran, how often.

    A block ran up to where the next record is if that lies within it: an event had it cut there. But it may also be
    that it jumped back into itself; then it has run as many instructions as whenever it was not cut.
    """
    blocks, crossings, order = frame.blocks, frame.crossings, frame.merged()
    is_block = order < 0
    at, count = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    at[is_block], at[~is_block] = blocks["pc"], crossings["from"]
    count[is_block], count[~is_block] = blocks["instructions"], crossings["instructions"]
    by_instruction = np.zeros(len(order), bool)                         # ... which then is the last of its block
    by_instruction[~is_block] = np.isin(crossings["kind"], BY_INSTRUCTION)
    numbers = np.flatnonzero(is_block)
    known = numbers + 1 < len(order)                                    # what follows the last record is not known
    follows = np.minimum(numbers + 1, len(order) - 1)
    begin, size = blocks["pc"].astype(np.int64), blocks["size"].astype(np.int64)
    then, ran = at[follows], np.where(known, count[follows] - count[numbers], UNKNOWN)
    inside = known & (begin < then) & (then < begin + size) & ~by_instruction[follows]
    whole = _lengths(begin, size, ran, known & ~inside & (ran > 0))
    is_cut = inside & ((whole < 0) | (ran < whole))
    for number in np.flatnonzero(is_cut & (whole < 0)).tolist():
        rest = (begin == then[number]) & (begin + size == begin[number] + size[number]) & (whole > 0)
        front = _lines_between(trace, int(begin[number]), int(then[number]),
                               int(blocks["space"][number])) if rest.any() else 0
        is_cut[number] = not rest.any() or ran[number] - whole[rest.argmax()] < max(front, 1)
    times = (ran > 0) + _skipped(begin, then, ran, whole, known & ~is_cut)
    return begin, np.where(is_cut, then - begin, size), times


def _lines_between(trace: Trace, begin: int, end: int, space: int) -> int:
    """How many lines have code there: at most as many as there are instructions."""
    owner = trace.names.find(begin, trace.end.spaces.get(space & CR3, ""))
    if not owner:
        return 0
    table = trace.names.program_lines.get(owner[0], LineMap()) if owner[0] else trace.names.lines
    return sum(begin <= address < end for address, _, line in table.entries if line)


def _lengths(begin: NDArray[Any], size: NDArray[Any], ran: NDArray[Any], sure: NDArray[Any]) -> NDArray[np.int64]:
    """How many instructions each block has: the least that one with these bytes ran when it was not cut; else -1."""
    unique, numbers = np.unique(begin << 16 | size, return_inverse=True)
    least = np.full(len(unique), UNKNOWN, np.int64)
    np.minimum.at(least, numbers[sure], ran[sure])
    found = least[numbers]
    return np.where(found < UNKNOWN, found, -1)


def _skipped(begin: NDArray[Any], then: NDArray[Any], ran: NDArray[Any], whole: NDArray[Any],
             known: NDArray[Any]) -> NDArray[np.int64]:
    """How often each block ran besides, in turns of loops that the machine skipped.

    Where a block seems to have run more than it has, the surplus are turns of the loop that goes on with what follows.
    """
    more = np.zeros(len(begin), np.int64)
    for number in np.flatnonzero(known & (whole > 0) & (ran > whole)).tolist():
        length = 0
        for first in range(number, max(number - LONGEST_TURN, -1), -1):
            length += max(int(whole[first]), 0)
            if begin[first] == then[number]:
                turns, rest = divmod(int(ran[number] - whole[number]), length)
                more[first:number + 1] += 0 if rest else turns
                break
    return more
