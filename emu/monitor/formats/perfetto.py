"""A trace for Perfetto (https://ui.perfetto.dev): tracks of what ran, as native track events.

One cycle is shown as one nanosecond; the name of the top track says so. Below it:

    processor       which thread ran, or that it was halted
    a thread        a track for each ring it was in: its functions and crossings
    interrupts      a track for each line: how long it waited; an arrow leads to the handler
    console         the lines that were written
    counters        instructions per cycle, and the share of the cycles that each cause had, from crossing to crossing

An arrow leads from where a thread left the processor to where the next one took it. Numbers of fields are those of
protos/perfetto/trace in Perfetto's sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emu.crossings import NO_LINE, Kind
from emu.monitor.formats.labels import LINES, Labels
from emu.monitor.formats.protobuf import VARINT, double, fixed64, message, number, text, varint
from emu.monitor.trace import calls
from emu.monitor.trace.calls import Enter, Leave, Passed, Switched
from emu.monitor.trace.file import Trace

# Trace, TracePacket
PACKET, TIMESTAMP, SEQUENCE, TRACK_EVENT, INTERNED, FLAGS, TRACK_DESCRIPTOR = 1, 8, 10, 11, 12, 13, 60
CLEARED, NEEDED = 1, 2                  # FLAGS: no names are known yet; known names are used
# TrackDescriptor, ProcessDescriptor, CounterDescriptor
UUID, TRACK_NAME, PROCESS, PARENT, COUNTER, ORDERING, RANK = 1, 2, 3, 5, 8, 11, 12
PID, PROCESS_NAME = 1, 6
UNIT_NAME = 6
EXPLICIT = 3                            # ORDERING: by RANK
# TrackEvent, DebugAnnotation; InternedData, EventName
ANNOTATION, TYPE, NAME_NUMBER, TRACK, VALUE, FLOWS, LAST_OF_FLOWS = 4, 9, 10, 11, 44, 47, 48
BEGIN, END, INSTANT, SAMPLE = 1, 2, 3, 4            # TYPE
ANNOTATION_NAME, WHOLE, STRING = 10, 4, 6
EVENT_NAMES, NUMBER, NAME = 2, 1, 2

OUR_SEQUENCE = 1
MOST_SAMPLES = 2048                     # of counters, in one part of a trace
_SEQUENCE, _NEEDED = number(SEQUENCE, OUR_SEQUENCE), number(FLAGS, NEEDED)
_TIMESTAMP = varint(TIMESTAMP << 3 | VARINT)
CAUSES = ("transition", "cache", "tlb", "branch", "bus")


def pieces(trace: Trace) -> Iterator[bytes]:
    """The bytes of the file, a few at a time."""
    return _Writer(trace).pieces()


class _Writer:
    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._labels = Labels(trace)
        self._out: list[bytes] = []
        self._tracks: dict[tuple[Any, ...], int] = {}
        self._names: dict[str, int] = {}
        self._events: dict[tuple[int, int, int | None, bytes], bytes] = {}
        self._flows = count(1)
        self._accepted: dict[int, int] = {}             # line -> the cycle at which it was accepted last
        self._running = False                           # the processor's track has an open slice
        self._now = 0

    def pieces(self) -> Iterator[bytes]:
        head = self._trace.head
        self._packet(message(TRACK_DESCRIPTOR, number(UUID, self._number("machine")), number(ORDERING, EXPLICIT),
                             message(PROCESS, number(PID, 1), text(PROCESS_NAME, (
                                 f"{head.image or 'no image'} on {head.profile}, {head.clock / 1e6:g} MHz "
                                 "(1 ns here is 1 cycle)")))), number(FLAGS, CLEARED))
        for event in calls.events(self._trace.frames(), self._labels.function):
            self._now = event.cycle
            if isinstance(event, Enter):
                self._enter(event)
            elif isinstance(event, Leave):
                self._event(END, event.cycle, self._ring(event.thread, event.ring))
            elif isinstance(event, Switched):
                self._switched(event)
            else:
                self._passed(event)
            if len(self._out) >= 1024:
                yield self._take()
        if self._running:
            self._event(END, self._now, self._processor())
        before: NDArray[Any] | None = None
        line, began = "", 0
        for frame in self._trace.frames():
            before = self._counters(frame.crossings, before)
            for cycle, byte in frame.console.tolist():
                began = began if line else cycle
                if byte == 10:
                    self._console(began, line)
                    line = ""
                else:
                    line += chr(byte)
            yield self._take()
        self._console(began, line)
        yield self._take()

    def _take(self) -> bytes:
        data, self._out = b"".join(self._out), []
        return data

    # Events

    def _enter(self, event: Enter) -> None:
        record = event.record
        track = self._ring(event.thread, event.ring)
        if not self._running:
            self._run(event.thread, event.cycle)
        if record is None:
            self._event(BEGIN, event.cycle, track, event.name)
            return
        fields = self._about(record)
        if record["kind"] == Kind.INTERRUPT:
            fields += fixed64(LAST_OF_FLOWS, self._waited(record))
        self._event(BEGIN, event.cycle, track, self._labels.crossing(record), fields)

    def _waited(self, record: Any) -> int:
        """Show how long an interrupt has waited: the arrow from there."""
        line, cycle, flow = int(record["line"]), int(record["cycle"]), next(self._flows)
        name = "interrupts" if line == NO_LINE else f"IRQ{line} {LINES.get(line, '')}".rstrip()
        track = self._track(("line", line), name, self._track(("lines",), "interrupts", rank=2), rank=line)
        asserted = max(cycle - int(record["waited"]), self._accepted.get(line, 0))
        self._event(BEGIN, asserted, track, "asserted", fixed64(FLOWS, flow))
        self._event(END, cycle, track)
        self._accepted[line] = cycle
        return flow

    def _switched(self, event: Switched) -> None:
        if self._running:
            self._event(END, event.cycle, self._processor())
        self._run(event.thread, event.cycle)
        flow = next(self._flows)
        self._event(INSTANT, event.cycle, self._ring(event.before, 0), "leaves", fixed64(FLOWS, flow))
        self._event(INSTANT, event.cycle, self._ring(event.thread, 0), "runs", fixed64(LAST_OF_FLOWS, flow))

    def _passed(self, event: Passed) -> None:
        record = event.record
        if record["kind"] == Kind.IDLE:
            self._event(BEGIN, event.cycle, self._processor(), "halted")
            self._event(END, event.cycle + int(record["cost"]), self._processor())
            self._now = event.cycle + int(record["cost"])
            return
        self._event(INSTANT, event.cycle, self._ring(event.thread, event.ring), self._labels.crossing(record),
                    self._about(record))

    def _run(self, thread: int, cycle: int) -> None:
        self._event(BEGIN, cycle, self._processor(), self._labels.thread(thread))
        self._running = True

    def _console(self, cycle: int, line: str) -> None:
        if line.strip():
            self._event(INSTANT, cycle, self._track(("console",), "console", rank=3), line.rstrip("\r"))

    def _counters(self, crossings: NDArray[Any], before: NDArray[Any] | None) -> NDArray[Any] | None:
        """What was counted from crossing to crossing; the last of them, for the next part."""
        some = crossings if before is None else np.concatenate([before, crossings])
        some = some[::max(1, len(some) // MOST_SAMPLES)]
        cycles = np.diff(some["cycle"])
        good = np.flatnonzero(cycles > 0)
        times, cycles = some["cycle"][good].tolist(), cycles[good]
        samples = {"instructions per cycle": np.diff(some["instructions"])[good] / cycles}
        for cause in CAUSES:
            samples[f"{cause}, % of cycles"] = np.diff(some[cause])[good].astype(np.int64) * 100 / cycles
        for rank, (name, values) in enumerate(samples.items()):
            if values.any():
                track = self._track(("counter", name), name, self._track(("counters",), "counters", rank=4), rank,
                                    message(COUNTER))
                for time, value in zip(times, values.tolist(), strict=True):
                    self._packet(message(TRACK_EVENT, number(TYPE, SAMPLE), number(TRACK, track), double(VALUE, value)),
                                 number(TIMESTAMP, time))
        return crossings[-1:].copy() if len(crossings) else before

    def _about(self, record: Any) -> bytes:
        """What else is known of a crossing, shown when one clicks at it."""
        space = int(record["space"])
        values: dict[str, str | int] = {
            "from": self._labels.place(int(record["from"]), space), "to": self._labels.place(int(record["to"]), space),
            "instructions before": int(record["instructions"]), "cost": int(record["cost"])}
        if record["kind"] == Kind.INTERRUPT:
            values["waited"] = int(record["waited"])
        return b"".join(
            message(ANNOTATION, text(ANNOTATION_NAME, name),
                    text(STRING, value) if isinstance(value, str) else number(WHOLE, value))
            for name, value in values.items())

    # Tracks and packets

    def _processor(self) -> int:
        return self._track(("processor",), "processor", rank=0)

    def _ring(self, thread: int, ring: int) -> int:
        parent = self._track(("thread", thread), self._labels.thread(thread), rank=1)
        return self._track(("ring", thread, ring), f"ring {ring}", parent, rank=3 - ring)

    def _track(self, key: tuple[Any, ...], name: str, parent: int | None = None, rank: int = 0,
               more: bytes = b"") -> int:
        """The number of a track, which is described when it is first asked for."""
        if key not in self._tracks:
            self._packet(message(TRACK_DESCRIPTOR, number(UUID, self._number(*key)), text(TRACK_NAME, name),
                                 number(PARENT, parent or self._number("machine")), number(ORDERING, EXPLICIT),
                                 number(RANK, rank), more))
        return self._tracks[key]

    def _number(self, *key: Any) -> int:
        return self._tracks.setdefault(key, len(self._tracks) + 1)

    def _event(self, kind: int, cycle: int, track: int, name: str = "", more: bytes = b"") -> None:
        known = self._names.get(name)
        interned = b""
        if name and known is None:
            known = self._names[name] = len(self._names) + 1
            interned = message(INTERNED, message(EVENT_NAMES, number(NUMBER, known), text(NAME, name)))
        key = kind, track, known, more
        event = self._events.get(key)
        if event is None:
            event = message(TRACK_EVENT, number(TYPE, kind), number(TRACK, track),
                            number(NAME_NUMBER, known) if known else b"", more)
            if not more:                                # what has no details comes again and again
                self._events[key] = event
        self._packet(event, _TIMESTAMP + varint(cycle), _NEEDED, interned)

    def _packet(self, *fields: bytes) -> None:
        self._out.append(message(PACKET, _SEQUENCE, *fields))
