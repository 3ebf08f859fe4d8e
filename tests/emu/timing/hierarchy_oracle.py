"""Caches, store buffer and memory in plain Python: what a profile says that they do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, cast

from emu.timing.figures import Word
from emu.timing.profile import Profile, load_profile

LOAD, STORE, FETCH, TRACE, EMPTY, EMPTY_TRACE, SNOOP = range(7)     # operations
KIB = 1024
POLICIES = ("back", "back-no-allocate", "through", "through-no-allocate")
VARIANTS = [f"{name} {first} {second}" for name in ("p3-500", "pd-3000") for first in POLICIES
            for second in (*POLICIES, "none")]


@cache
def profile(name: str) -> Profile:
    """A profile, or one with other policies for stores: "NAME L1D L2"."""
    name, *policies = name.split()
    found = load_profile(name)
    if not policies:
        return found
    assert found.timing and found.timing.caches.l2
    first, second = (Word(policy, found.timing.caches.l1d.write.source) for policy in policies)
    l2 = None if second.value == "none" else replace(found.timing.caches.l2, write=second)
    caches = replace(found.timing.caches, l1d=replace(found.timing.caches.l1d, write=first), l2=l2)
    return replace(found, timing=replace(found.timing, caches=caches))


@dataclass
class Level:
    """A cache: lines of each set with whether they are dirty, most recent first."""

    sets: int
    ways: int
    line: int
    write: str
    held: dict[int, dict[int, bool]] = field(default_factory=dict)     # by set; the last one used most recently

    def use(self, address: int) -> bool:
        lines = self.held.setdefault(address // self.line % self.sets, {})
        if address // self.line in lines:
            lines[address // self.line] = lines.pop(address // self.line)
            return True
        return False

    def dirty(self, address: int) -> None:
        self.held[address // self.line % self.sets][address // self.line] = True

    def bring(self, address: int, dirty: bool = False) -> int | None:
        """The address of the dirty line that leaves."""
        lines = self.held.setdefault(address // self.line % self.sets, {})
        lines[address // self.line] = dirty
        if len(lines) > self.ways:
            oldest = next(iter(lines))
            return oldest * self.line if lines.pop(oldest) else None
        return None

    def drop(self, address: int) -> None:
        self.held.get(address // self.line % self.sets, {}).pop(address // self.line, None)

    def clear(self) -> int:
        dirty = sum(sum(lines.values()) for lines in self.held.values())
        self.held.clear()
        return dirty


class Oracle:
    """What the profile says a hierarchy does."""

    def __init__(self, name: str) -> None:
        self.timing = cast(Any, profile(name).timing)
        self.clock = profile(name).clock
        caches = self.timing.caches
        self.l1d, self.l1i, self.l2 = (self._level(cache) for cache in (caches.l1d, caches.l1i, caches.l2))
        self.trace = caches.trace and Level(int(caches.trace.uops.typical / caches.trace.line.typical
                                                / caches.trace.ways.typical), int(caches.trace.ways.typical), 1, "")
        last = caches.l2 or caches.l1d
        self.unit = int((last.sector or last.line).typical)
        self.last = -10_000
        self.waiting: list[int] = []          # when each store in the buffer will be written
        self.seen = self.written = self.writebacks = 0
        self.first = caches.l1d.latency.typical
        self.to_l2 = caches.l2.latency.typical - self.first if caches.l2 else 0

    @staticmethod
    def _level(cache: Any) -> Any:
        if not cache:
            return None
        size, ways, line = (int(each.typical) for each in (cache.size, cache.ways, cache.line))
        return Level(size * KIB // ways // line, ways, line, cache.write.value)

    def memory(self, address: int) -> int:
        near = abs(address // self.unit - self.last) <= 1
        self.last = address // self.unit
        linear = self.timing.memory.linear.typical * self.clock / 1e9 - self.first
        far = self.timing.memory.random.typical * self.clock / 1e9 - self.first - self.timing.tlbs.walk.typical
        if self.timing.caches.l1d.size.typical <= 32:       # no room for the page tables of what was measured
            far -= self.to_l2
        return rounded(linear if near else max(linear, far))

    def second(self, address: int, write: bool = False) -> int:
        if not self.l2:
            return self.memory(address)
        hit, through = self.l2.use(address), self.l2.write.startswith("through")
        if hit and not (write and through):
            if write:
                self.l2.dirty(address)
            return rounded(self.to_l2)
        stall = self.memory(address)
        if hit or (write and self.l2.write.endswith("no-allocate")):
            return stall
        start = address // self.unit * self.unit
        for other in range(start, start + self.unit, self.l2.line):
            if other != address // self.l2.line * self.l2.line and not self.l2.use(other):
                self.writebacks += self.l2.bring(other) is not None
        self.writebacks += self.l2.bring(address, write and not through) is not None
        return stall

    def fill(self, address: int, dirty: bool) -> None:
        leaving = self.l1d.bring(address, dirty)
        if leaving is None:
            return
        if not self.l2 or self.l2.write.startswith("through"):
            self.writebacks += 1
        elif self.l2.use(leaving):
            self.l2.dirty(leaving)
        else:
            self.writebacks += self.l2.bring(leaving, True) is not None

    def read(self, address: int) -> int:
        if self.l1d.use(address):
            return 0
        stall = self.second(address)
        self.fill(address, False)
        return stall

    def write(self, address: int, now: int) -> int:
        hit, through = self.l1d.use(address), self.l1d.write.startswith("through")
        if hit and not through:
            self.l1d.dirty(address)
            return 0
        cost = self.second(address, through or self.l1d.write == "back-no-allocate")
        if hit and self.l2 and cost == rounded(self.to_l2):
            return 0
        if not hit and not self.l1d.write.endswith("no-allocate"):
            self.fill(address, not through)
        elif not hit and self.timing.caches.l1d.store:
            cost = rounded(self.timing.caches.l1d.store.typical)
        now = max(now, self.seen)
        entries = int(self.timing.pipeline.store_buffer.typical)
        free = sorted(self.waiting)[-entries] if len(self.waiting) >= entries else 0
        stall = max(free - now, 0)
        self.seen = now + stall
        self.written = max(self.written, self.seen) + cost
        self.waiting.append(self.written)
        return stall

    def perform(self, kind: int, address: int, size: int, now: int) -> int:
        last = address + size - 1
        crosses = address // self.l1d.line != last // self.l1d.line
        misaligned = rounded(self.timing.pipeline.misaligned.typical)
        if kind == LOAD:
            return self.read(address) + (misaligned + self.read(last) if crosses else 0)
        if kind == STORE:
            stall = self.write(address, now)
            return stall + (misaligned + self.write(last, now + stall) if crosses else 0)
        if kind == EMPTY:
            dirty = self.l1d.clear() + (self.l2.clear() if self.l2 else 0)
            for other in (self.l1i, self.trace):
                if other:
                    other.clear()
            return dirty * rounded(self.timing.memory.linear.typical * self.clock / 1e9 - self.first)
        if kind == EMPTY_TRACE and self.trace:
            self.trace.clear()
        elif kind == SNOOP:
            for each in range(address, address + size):
                for level in (self.l1d, self.l2):
                    if level:
                        level.drop(each)
        elif kind in (FETCH, TRACE):
            return self.fetch(address, size)
        return 0

    def fetch(self, address: int, size: int) -> int:
        if not self.trace:
            stall = 0 if self.l1i.use(address) else self.second(address)
            self.l1i.bring(address)
            return stall
        place = (address ^ address >> 8 ^ address >> 16) % self.trace.sets       # its set is not its address's
        lines = self.trace.held.setdefault(place, {})
        if address in lines:
            lines[address] = lines.pop(address)
            return 0
        stall = self.second(address) + rounded(self.timing.caches.trace.decode.typical) * size
        lines[address] = False
        if len(lines) > self.trace.ways:
            lines.pop(next(iter(lines)))
        return stall


def rounded(figure: float) -> int:
    return int(figure + 0.5)
