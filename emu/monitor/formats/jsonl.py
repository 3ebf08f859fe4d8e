"""A trace as JSON lines: an object for each record, in the order in which they happened.

    {"type": "trace", ...}      first: what was traced, as `emu.monitor.trace.file.TraceHead` has it
    {"type": "crossing", "cycle", "instructions", "kind", "name", "from", "from_name", "to", "to_name", "ring_before",
     "ring", "interrupts_before", "interrupts", "space", "program", "thread", "thread_name", "cost"}
                                besides, where they mean something: "vector", "error", "line", "waited"
    {"type": "block", "cycle", "instructions", "address", "name", "size", "ring", "interrupts", "space", "program",
     "thread", "thread_name", "ends"}
    {"type": "console", "cycle", "text"}    bytes as Latin-1; behind the records of the part of the trace they are in
    {"type": "end", ...}        last: as `emu.monitor.trace.file.TraceEnd`, and "flaw" if the trace is not whole

Addresses are numbers; times are cycles and counts those before the record. Kinds are those of `emu.crossings.Kind` in
small letters, `ends` is one of ENDS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any

from emu.cpu.x86 import HAS_ERROR_CODE
from emu.crossings import NO_LINE, Bits, Kind
from emu.monitor.formats.labels import CR3, Labels, rings
from emu.monitor.trace.file import Trace

ENDS = ("other", "conditional", "jump", "indirect jump", "call", "indirect call", "return", "conditional backward")
EVENTS = (Kind.EXCEPTION, Kind.SOFTWARE, Kind.INTERRUPT)


def lines(trace: Trace) -> Iterator[str]:
    """The lines of the file."""
    labels = Labels(trace)
    known: dict[tuple[int, ...], str] = {}              # blocks run often: all but the first two members
    yield _line("trace", asdict(trace.head))
    for frame in trace.frames():
        blocks, crossings = frame.blocks.tolist(), frame.crossings
        for number in frame.merged().tolist():
            if number >= 0:
                yield _line("crossing", _crossing(crossings[number], labels))
                continue
            cycle, instructions, *rest = blocks[~number]
            key = tuple(rest)
            if key not in known:
                known[key] = _line("", _block(key, labels)).partition(",")[2]
            yield f'{{"type":"block","cycle":{cycle},"instructions":{instructions},{known[key]}'
        for cycle, some in groupby(frame.console.tolist(), key=lambda row: row[0]):
            yield _line("console", {"cycle": cycle, "text": bytes(row[1] for row in some).decode("latin-1")})
    yield _line("end", asdict(trace.end) | ({"flaw": trace.flaw} if trace.flaw else {}))


def _line(kind: str, values: dict[str, Any]) -> str:
    return json.dumps({"type": kind, **values}, separators=(",", ":"))


def _crossing(record: Any, labels: Labels) -> dict[str, Any]:
    space, kind = int(record["space"]), Kind(record["kind"])
    values: dict[str, Any] = {
        "cycle": int(record["cycle"]), "instructions": int(record["instructions"]), "kind": kind.name.lower(),
        "name": labels.crossing(record)}
    if kind in EVENTS:
        values["vector"] = int(record["vector"])
    if kind == Kind.EXCEPTION and HAS_ERROR_CODE >> int(record["vector"]) & 1:
        values["error"] = int(record["error"])
    if kind == Kind.INTERRUPT:
        values |= {"line": int(record["line"])} if record["line"] != NO_LINE else {}
        values["waited"] = int(record["waited"])
    for end in ("from", "to"):
        values |= {end: int(record[end]), f"{end}_name": labels.place(int(record[end]), space)}
    return values | {"ring_before": rings(space)[0], "ring": rings(space)[1],
                     "interrupts_before": bool(space & Bits.IF_FROM), "interrupts": bool(space & Bits.IF_TO),
                     **_who(space, int(record["thread"]), labels), "cost": int(record["cost"])}


def _block(record: tuple[int, ...], labels: Labels) -> dict[str, Any]:
    pc, space, thread, size, ends = record
    return {"address": pc, "name": labels.place(pc, space), "size": size, "ring": rings(space)[1],
            "interrupts": bool(space & Bits.IF_TO), **_who(space, thread, labels), "ends": ENDS[ends]}


def _who(space: int, thread: int, labels: Labels) -> dict[str, Any]:
    return {"space": space & CR3, "program": labels.program(space), "thread": thread,
            "thread_name": labels.thread(thread)}
