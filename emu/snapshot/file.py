"""The file of a snapshot: a container (emu.container) with a head, the state, and the pages of RAM that are not zero.

Its head, JSON, holds what `Head` has and the version of Trapline. There is no code in a file and nothing is believed: a
snapshot of another machine is refused, one that was cut or changed is, too.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from emu.container import ContainerError, Format, Reader, Writer
from emu.cpu.saved import Block, Processor
from emu.memory import PAGE
from emu.snapshot.pages import ZERO
from emu.snapshot.snapshot import Head, Snapshot, SnapshotError

STATE, PART, PAGES = 1, 2, 3        # frames: JSON; one of PARTS, in this order; page numbers (u32), then their bytes
PARTS = ("frames", "registers", "translations", "accesses", "model", "console", "debug_console")
TOGETHER = 256                      # pages in a frame


class SnapshotFileError(SnapshotError, ContainerError):
    """A file that is no snapshot, or not a whole one."""


FORMAT = Format("snapshot", 1, "trapline boot IMAGE --save-snapshot FILE", "take the snapshot again", SnapshotFileError)


def save(snapshot: Snapshot, path: Path) -> None:
    """Write a snapshot to a file of this name, whole or not at all. Raises OSError."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with Writer(unfinished, FORMAT, {"trapline": _version(), **asdict(snapshot.head)}) as writer:
            _write(snapshot, writer)
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        error.filename, error.filename2 = str(path), None
        raise


def load(path: Path) -> Snapshot:
    """Read a file that `save` has written. Raises SnapshotError and OSError."""
    reader = Reader(path, FORMAT)
    try:
        return _read(reader)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, SnapshotError):
            raise
        reader.refuse("damaged, or made by another version of Trapline")


def _version() -> str:
    try:
        return version("trapline")
    except PackageNotFoundError:                    # run from a source tree
        return "unknown"


def _write(snapshot: Snapshot, writer: Writer) -> None:
    processor = snapshot.processor
    state = {"fields": processor.fields, "thread": processor.thread, "arrays": processor.arrays,
             "flips": list(processor.flips.items()),
             "blocks": {name: block._asdict() for name, block in processor.blocks.items()},
             "clock": snapshot.clock, "parts": snapshot.parts, "attached": snapshot.attached,
             "machine": snapshot.machine}
    writer.add(STATE, json.dumps(state).encode())
    for name in PARTS:
        writer.add(PART, getattr(processor if name in Processor._fields else snapshot, name))
    numbers = [number for number, page in enumerate(snapshot.pages) if page is not ZERO and page != ZERO]
    for at in range(0, len(numbers), TOGETHER):
        some = numbers[at:at + TOGETHER]
        writer.add(PAGES, np.array(some, np.uint32).tobytes() + b"".join(snapshot.pages[number] for number in some))


def _read(reader: Reader) -> Snapshot:
    taken_by = reader.head.pop("trapline", None)
    if taken_by != _version():
        reader.refuse(f"taken by Trapline {taken_by}, this is {_version()}")
    head = Head(**reader.head)
    frames = reader.frames()
    state: dict[str, Any] = json.loads(next(frames).data)
    parts = {name: next(frames).data for name in PARTS}
    pages = [ZERO] * (head.memory // PAGE)
    for frame in frames:
        count = len(frame.data) // (PAGE + 4)
        for index, number in enumerate(np.frombuffer(frame.data, np.uint32, count).tolist()):
            start = count * 4 + index * PAGE
            pages[number] = frame.data[start:start + PAGE]
    console, debug_console = parts.pop("console"), parts.pop("debug_console")
    blocks = {name: Block(**block) for name, block in state["blocks"].items()}
    processor = Processor(state["fields"], state["thread"], state["arrays"], blocks, dict(state["flips"]), **parts)
    return Snapshot(head, tuple(pages), processor, state["clock"], state["parts"], state["attached"],
                    state["machine"], console, debug_console)
