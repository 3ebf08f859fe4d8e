"""Recording a run: `Recorder` listens to a machine and writes what happens into a file."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from emu.cpu.blocks import ENTRIES
from emu.recording import events, file, tap

if TYPE_CHECKING:
    from emu.machine import Machine

_DRAIN = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64)
LISTENERS = {               # fields of State and Tap, and what stands in front of them
    "attend": tap.attend_recorded, "open_block": tap.open_recorded, "charge_part": tap.charge_recorded,
    "touch": tap.touch_recorded, "flush_model": tap.flush_recorded,
}


class Recorder:
    """A recording of a machine from power-on to `close`. Its cycles, counters and state are those of any other run.

    A context manager: at the end of the block the recording is closed, or left unfinished after an exception. If the
    file cannot be written, `Machine.run` raises OSError.
    """

    def __init__(self, machine: Machine, path: str | Path) -> None:
        """`machine` has a profile with figures and has not run. Raises ValueError and OSError."""
        state, profile = machine.cpu.state, machine.profile
        if profile.timing is None:
            raise ValueError(f"{profile.name}: has no caches to record accesses for; choose another --cpu")
        if state.instructions or state.recording:
            raise ValueError("a recording begins at power-on: make it before the machine runs, and only once")
        image = machine.image
        self._machine = machine
        self._writer = file.Writer(Path(path), file.Head(
            profile.name, profile.clock, machine.ram.size, image.name if image else None,
            image.digest if image else None))
        self._tap = tap.Tap(opened_at=-1, cr3=-1)
        self._events = np.zeros(tap.WORDS, np.int64)
        self._code = np.zeros(tap.CODE_ROOM, np.uint8)
        self._entries, self._code_pages = np.zeros(1 << 10, np.int64), np.zeros(1 << 20, np.int64)
        self._met = np.zeros(ENTRIES * tap.MET_ENTRY, np.uint8)
        for name in ("events", "code", "entries", "code_pages", "met"):
            setattr(self._tap, name, getattr(self, f"_{name}").ctypes.data)
        self._drain_entry = _DRAIN(self._drain)             # kept alive: native code holds its address
        self._tap.drain = ctypes.cast(self._drain_entry, ctypes.c_void_p).value
        for name, listener in LISTENERS.items():
            setattr(self._tap, name, getattr(state, name))
            setattr(state, name, listener.address)
        self._fast_forward, state.fast_forward = state.fast_forward, 0     # every turn of a loop is recorded
        state.note, state.recording = tap.hear.address, ctypes.addressof(self._tap)
        machine.on_idle = self._idle

    def close(self) -> None:
        """Write what is left, and the counters; the machine is no longer recorded. Raises OSError."""
        if self._stop_listening():
            self._write()
            self._writer.finish(self._machine.counters.as_dict())

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._stop_listening()
            self._writer.close()

    def _stop_listening(self) -> bool:
        """Let the machine run unrecorded from now on; False if it does already."""
        state = self._machine.cpu.state
        if state.recording != ctypes.addressof(self._tap):
            return False
        for name in LISTENERS:
            setattr(state, name, getattr(self._tap, name))
        state.note = state.recording = 0
        state.fast_forward = self._fast_forward
        self._machine.on_idle = None
        return True

    def _write(self) -> None:
        self._writer.add(file.CODE, self._code[:self._tap.code_used])
        self._writer.add(file.EVENTS, self._events[:self._tap.used])
        self._tap.used = self._tap.code_used = 0

    def _drain(self, _: int) -> int:
        """The buffers are full. Native code calls this, so `Machine.run` raises what goes wrong."""
        try:
            self._write()
        except OSError as error:
            self._stop_listening()
            self._machine.cpu.fail(error)
        return 0

    def _idle(self, cycles: int) -> None:
        self._events[self._tap.used] = events.IDLE | cycles << 4
        self._tap.used += 1
        if self._tap.used + tap.MOST_WORDS > tap.WORDS:
            self._drain(0)
            self._tap.opened_at = -1
