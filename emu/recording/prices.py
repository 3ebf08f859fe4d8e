"""What a recorded run costs on a processor: `price`."""

from __future__ import annotations

import ctypes
import mmap
import struct
from dataclasses import dataclass

import numpy as np

from emu.counters import CAUSES, EVENTS, Counters
from emu.cpu import program
from emu.cpu.blocks import CODE16, NO_SPIN, SIZE_SHIFT, BlockTable
from emu.cpu.costs import Costs
from emu.cpu.derivation import Op
from emu.cpu.layout import EIP
from emu.cpu.state import State
from emu.recording import file, player
from emu.recording.file import Recording
from emu.timing.profile import Profile

IGNORED = (
    "Interrupts come behind the same instructions as in the recorded run, not at the same time.",
    "Loops that wait, for a device or a clock, run as often as recorded; a halted processor waits as many nanoseconds.",
    "What software read stays as it was: RDTSC, CPUID, and the paths that it chose by them.",
)

_HEAD = struct.Struct("<IIHH")          # of a block: see `tap`
_FRAME = 32                             # where the frame stands in a key
_FRAMES = (1 << 18) - 1                 # ... and how many there are
_STEP = np.dtype({"names": ["op", "at", "size", "offset"], "formats": ["<u2", "<u2", "<u2", "<i4"],
                  "offsets": [program.OP, program.AT, program.SIZE, program.DISP],
                  "itemsize": program.STEP_SIZE})


@dataclass(frozen=True)
class Priced:
    """A run on a processor."""

    profile: str
    clock: int                  # Hz
    counters: Counters          # at the end; but instructions, traps, crossings and the like are the recorded ones


def price(recording: Recording, profile: Profile) -> Priced:
    """Charge a recording as the processor of `profile` would have been charged.

    Under the profile of the recording this gives the recorded counters exactly. Raises RecordingError, OSError, and
    ValueError for a profile without figures.
    """
    pricing = _Pricing(recording, profile)
    for kind, data in recording.parts():
        if kind == file.CODE:
            pricing.learn(data)
        else:
            pricing.play(data)
    return Priced(profile.name, profile.clock, pricing.counters())


def recorded(recording: Recording) -> Priced:
    """The run as it was recorded; call it when the recording has been read."""
    values = dict(recording.counters)
    for name in ("traps", "irqs"):
        values[name] = {int(key): count for key, count in values[name].items()}
    return Priced(recording.head.profile, recording.head.clock, Counters(**values))


class _Pricing:
    """One run over a recording."""

    def __init__(self, recording: Recording, profile: Profile) -> None:
        if profile.timing is None:
            raise ValueError(f"{profile.name}: has no figures to price by: a cycle is an instruction; choose another "
                             "--cpu")
        head = recording.head
        self._recording = recording
        self.state = state = State()
        self._registers = np.zeros(EIP * 128, np.uint8)                 # whatever of them is looked at
        state.env, state.self = self._registers.ctypes.data, ctypes.addressof(state)
        self._ram = np.frombuffer(mmap.mmap(-1, head.memory), np.uint8)
        state.ram, state.ram_size, state.a20_mask = self._ram.ctypes.data, head.memory, 0xFFFFFFFF
        state.repeating = -1
        self.costs = Costs(state, profile)
        self._blocks = BlockTable(state, self.costs.describe, lambda *_: NO_SPIN, profile.cpuid[7])
        self._met: list[tuple[int, bytes]] = [(0, b"")]                 # by number: key and code
        self._keys, self._first_fetches = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self._fetches = np.array([player.NO_FETCH], np.int64)
        self._fetch_count = 1
        self._code_pages = np.zeros(1 << 20, np.int64)
        self._player = player.Player(state=ctypes.addressof(state), clock=profile.clock, recorded_clock=head.clock,
                                     code_pages=self._code_pages.ctypes.data, fetch=-1)

    def learn(self, data: bytes) -> None:
        """Blocks that the run met."""
        at = 0
        while at < len(data):
            if at + _HEAD.size > len(data):
                self._recording.refuse("damaged")
            number, address, size, bits = _HEAD.unpack_from(data, at)
            code = data[at + _HEAD.size:at + _HEAD.size + size]
            at += _HEAD.size + size
            if number != len(self._met) or not 0 < len(code) == size or bits not in (16, 32):
                self._recording.refuse("damaged")
            key = address | (number & _FRAMES) << _FRAME | size << SIZE_SHIFT | (CODE16 if bits == 16 else 0)
            self._met.append((ctypes.c_int64(key).value, code))
        self._keys = np.array([key for key, _ in self._met], np.int64)
        self._first_fetches = np.resize(self._first_fetches, len(self._met))

    def play(self, data: bytes) -> None:
        """Events."""
        if len(data) % 8:
            self._recording.refuse("damaged")
        words = np.frombuffer(data, np.int64)
        p = self._player
        p.events, p.position, p.end = words.ctypes.data, 0, len(words)
        while True:
            p.keys, p.numbers = self._keys.ctypes.data, len(self._met)
            p.first_fetches, p.fetches = self._first_fetches.ctypes.data, self._fetches.ctypes.data
            found = player.play.ctypes(ctypes.addressof(p))
            if found == player.DAMAGED:
                self._recording.refuse("damaged")
            if found == player.DONE:
                return
            self._enter(found)

    def counters(self) -> Counters:
        """Everything that was counted, or was recorded."""
        state, model = self.state, self.costs.model
        assert model is not None
        stalls = {f"{cause}_cycles": getattr(state, f"{cause}_cycles") for cause in CAUSES[1:]}
        idle = self._player.idle_cycles
        values = vars(recorded(self._recording).counters)
        values |= {name: count for name, count in model.counters().items() if name in EVENTS}
        return Counters(**values | stalls | {
            "cycles": state.cycles, "idle_cycles": idle, "uops": state.uops,
            "pipeline_cycles": state.cycles - idle - sum(stalls.values())})

    def _enter(self, number: int) -> None:
        """Price a block and enter it into the table, and the lines that it fetches into `_fetches`."""
        key, code = self._met[number]
        steps = np.frombuffer(self._blocks.add(key, code, False), _STEP)
        steps = steps[steps["op"] == Op.FETCH]
        self._first_fetches[number] = self._fetch_count
        words = [offset << player.FETCH_OFFSET | at << player.FETCH_WHERE | size << player.FETCH_SIZE
                 for at, size, offset in steps[["at", "size", "offset"]].tolist()] + [player.NO_FETCH]
        if self._fetch_count + len(words) > len(self._fetches):
            self._fetches = np.resize(self._fetches, 2 * len(self._fetches) + len(words))
        self._fetches[self._fetch_count:self._fetch_count + len(words)] = words
        self._fetch_count += len(words)
