"""Wire: a full-duplex Ethernet link between two ends, with a rate, a delay, finite queues, and faults on demand.

Each direction is on its own. A frame occupies it from the start of its preamble to the end of the gap behind it. Times
add up exactly, in units of which a processor's cycle, a bit and a nanosecond are all whole multiples. What goes wrong
with a frame is decided when it is taken, by the wire's own generator, so the same seed makes the same run.

Frames are bytes without preamble and FCS. They arrive as they were sent; a short one takes the time of the shortest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import gcd
from random import Random
from typing import Any

from emu.clock import Clock
from emu.kept import Kept

PREAMBLE = 8                    # bytes: preamble and start-of-frame delimiter
SHORTEST = 60                   # bytes of a frame without FCS: a shorter one is padded
FCS = 4                         # bytes
GAP = 12                        # bytes of silence behind a frame
SECOND = 1_000_000_000          # ns
PATIENCE = 100_000_000          # ns that a frame is held back for the next one to overtake it


class End(Kept):
    """One end of a wire: what is sent here arrives at the other one. The counters are of the frames sent here."""

    KEPT = ("up", "sent", "delivered", "lost", "duplicated", "reordered", "dropped", "free_at", "_free", "_leaving")

    def __init__(self, wire: Wire, name: str) -> None:
        self.name = name
        self.receive: Callable[[bytes], None] | None = None     # gets each frame when its last bit has arrived here
        self.changed: Callable[[bool], None] | None = None      # hears that the link has come up or gone down
        self.other = self                       # the other end
        self.up = True                          # there is a link
        self.sent = 0                           # frames taken for transmission
        self.delivered = 0                      # ... that came out at the other end, copies included
        self.lost = 0                           # ... that never will: by chance, or because the link went down
        self.duplicated = 0                     # ... that came out twice
        self.reordered = 0                      # ... that came out behind the next one
        self.dropped = 0                        # refused: the queue was full, or the link down
        self.free_at = 0                        # the cycle at which all that was taken has left, the last gap included
        self._free = 0                          # the same, exactly, in units of the wire
        self._leaving: deque[int] = deque()     # the cycle at which each frame in the queue has left, gap included
        self._flight: deque[tuple[int, bytes]] = deque()    # what arrives at the other end, and at which cycle
        self._held: tuple[int, bytes] | None = None         # a frame held back, and the cycle at which patience ends
        self._wire = wire
        self._arrival = wire.clock.event(name, self._arrived)

    @property
    def queued(self) -> int:
        """Frames that have been taken and have not left, the one on its way out included."""
        return sum(cycle > self._wire.clock.now for cycle in self._leaving)

    @property
    def in_flight(self) -> int:
        """Frames that have yet to arrive at the other end, queued or under way."""
        return len(self._flight) + (self._held is not None)

    def send(self, frame: bytes) -> bool:
        """Take a frame for transmission behind what is already taken; False if it is dropped instead."""
        wire, leaving = self._wire, self._leaving
        while leaving and leaving[0] <= wire.clock.now:
            leaving.popleft()
        if not self.up or len(leaving) >= wire.queue:
            self.dropped += 1
            return False
        self.sent += 1
        last_bit = max(self._free, wire.clock.moment * wire._cycle) + (
            PREAMBLE + max(len(frame), SHORTEST) + FCS) * 8 * wire._bit
        self._free = last_bit + GAP * 8 * wire._bit
        self.free_at = -(-self._free // wire._cycle)
        leaving.append(self.free_at)
        arrival = -(-(last_bit + wire._delay) // wire._cycle)
        if wire._random is None:
            self._flight.append((arrival, frame))
        else:
            self._leave_to_chance(wire._random, arrival, frame)
        self._await()
        return True

    def _leave_to_chance(self, random: Random, arrival: int, frame: bytes) -> None:
        """Put a frame that would arrive at `arrival` on its way: or not, or twice, or else behind the next one.

        Three numbers are drawn for every frame, whatever happens to it: a fault more or less changes no other one.
        """
        lost, twice, late = (random.random() < chance
                             for chance in (self._wire.loss, self._wire.duplicate, self._wire.reorder))
        if lost:
            self.lost += 1
            return
        self.duplicated += twice
        frames = [(arrival, frame)] * (1 + twice)
        if self._held is None:
            if late and not twice:
                self._held = arrival + self._wire._patience, frame
            else:
                self._flight.extend(frames)
            return
        patience, held = self._held
        if patience > arrival:
            self.reordered += 1
            self._flight.extend([*frames, (arrival, held)])
        else:
            self._flight.extend([(patience, held), *frames])
        self._held = None

    def _await(self) -> None:
        """Ask for an event when the next frame arrives; what is held back is behind all others."""
        first = self._flight[0] if self._flight else self._held
        if first and first[0] != self._arrival.cycle:
            self._arrival.schedule(first[0])

    def _arrived(self) -> None:
        wire = self._wire
        if not self._flight and self._held:
            self._flight.append(self._held)
            self._held = None
        while self._flight and self._flight[0][0] <= wire.clock.moment:
            _, frame = self._flight.popleft()
            self.delivered += 1
            for listener in wire.listeners:
                listener(self.other, frame)
            if self.other.receive:
                self.other.receive(frame)
        self._await()

    def _set_link(self, up: bool) -> None:
        """The link comes up, or goes down and takes with it what was queued and under way."""
        self.up = up
        self.lost += self.in_flight
        self.free_at = self._free = 0
        self._leaving.clear()
        self._flight.clear()
        self._held = None
        self._arrival.cancel()

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON; frames in hexadecimal."""
        held = [self._held] if self._held else []
        return super().save() | {"flight": [[cycle, frame.hex()] for cycle, frame in self._flight],
                                 "held": [[cycle, frame.hex()] for cycle, frame in held]}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned."""
        super().load(saved)
        self._flight = deque((cycle, bytes.fromhex(frame)) for cycle, frame in saved["flight"])
        self._held = next(((cycle, bytes.fromhex(frame)) for cycle, frame in saved["held"]), None)

    def describe(self) -> dict[str, int]:
        """The counters by name, for people."""
        return {"sent": self.sent, "delivered": self.delivered, "lost": self.lost, "duplicated": self.duplicated,
                "reordered": self.reordered, "dropped": self.dropped, "queued": self.queued,
                "in flight": self.in_flight}


class Wire(Kept):
    """A link between `ends[0]` and `ends[1]`. It is up unless it is pulled.

    Faults are chances between 0 and 1 for each frame: `loss` (it never arrives), `duplicate` (a copy comes out right
    behind it), `reorder` (it comes out right behind the next one, or after PATIENCE if none comes). They happen on the
    way: whoever sends sees nothing of them.
    """

    KEPT = ("ends",)

    def __init__(self, clock: Clock, name: str = "wire", *, rate: int = 100_000_000, delay: int = 500, queue: int = 64,
                 loss: float = 0.0, duplicate: float = 0.0, reorder: float = 0.0, seed: int = 0) -> None:
        """`rate` in bits/s, `delay` in ns from end to end, `queue` in frames that wait in either direction.

        Raises ValueError for a value that no wire has, or if the clock already has a wire called `name`.
        """
        for word, value, least in (("rate", rate, 1), ("delay", delay, 0), ("queue", queue, 1)):
            if value < least:
                raise ValueError(f"a wire's {word} is at least {least}, not {value}")
        for word, chance in (("loss", loss), ("duplicate", duplicate), ("reorder", reorder)):
            if not 0 <= chance <= 1:
                raise ValueError(f"a wire's {word} is a chance between 0 and 1, not {chance}")
        self.clock = clock
        self.rate, self.delay, self.queue = rate, delay, queue
        self.loss, self.duplicate, self.reorder = loss, duplicate, reorder
        cycle, bit, nanosecond = rate * SECOND, clock.frequency * SECOND, clock.frequency * rate
        unit = gcd(cycle, bit, nanosecond)              # in 1 / (frequency * rate * SECOND) s
        self._cycle = cycle // unit                     # units of time in a cycle,
        self._bit = bit // unit                         # in a bit,
        self._delay = delay * nanosecond // unit        # and in the delay
        self._patience = PATIENCE * clock.frequency // SECOND       # cycles
        self._random = Random(seed) if loss or duplicate or reorder else None
        self.listeners: list[Callable[[End, bytes], None]] = []     # hear of each frame that arrives, and at which end
        self.ends = End(self, f"{name}.0"), End(self, f"{name}.1")
        self.ends[0].other, self.ends[1].other = self.ends[1], self.ends[0]

    @property
    def up(self) -> bool:
        """There is a link."""
        return self.ends[0].up

    def pull(self) -> None:
        """Pull the plug: what is queued and under way is lost, and both ends hear that the link is down."""
        self._set_link(False)

    def plug(self) -> None:
        """Plug it in again."""
        self._set_link(True)

    def _set_link(self, up: bool) -> None:
        if up != self.up:
            for end in self.ends:
                end._set_link(up)
            for end in self.ends:
                if end.changed:
                    end.changed(up)

    def save(self) -> dict[str, Any]:
        """The state, ready for JSON: both ends, and where the generator is."""
        return super().save() | {"random": list(self._random.getstate()[1]) if self._random else []}

    def load(self, saved: dict[str, Any]) -> None:
        """Go back to what `save` returned."""
        super().load(saved)
        if self._random and saved["random"]:
            self._random.setstate((Random.VERSION, tuple(saved["random"]), None))

    def describe(self) -> dict[str, int | float | bool]:
        """What the wire is, and the counters of both directions, for people."""
        values: dict[str, int | float | bool] = {
            "up": self.up, "rate": self.rate, "delay": self.delay, "queue": self.queue, "loss": self.loss,
            "duplicate": self.duplicate, "reorder": self.reorder}
        for end in self.ends:
            values |= {f"{end.name} {word}": value for word, value in end.describe().items()}
        return values
