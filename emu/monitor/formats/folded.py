"""A trace as folded stacks, which flame graphs are made of (Gregg, https://www.brendangregg.com/flamegraphs.html).

    ping (1);ring 0;sysenter;sysenter_entry;sys_write;console_write 1043

A line for each stack that was seen: thread, ring, what is open in that ring from the outermost to the innermost, and
the cycles that passed while it was just that. All together are the cycles that were recorded. Halted cycles are in a
function `idle`. A trace without blocks has crossings alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from emu.crossings import Kind
from emu.monitor.formats.labels import Labels, rings
from emu.monitor.trace import calls
from emu.monitor.trace.calls import Enter, Leave, Passed
from emu.monitor.trace.file import Trace


def lines(trace: Trace) -> Iterator[str]:
    """The lines of the file, sorted."""
    for stack, cycles in sorted(stacks(trace).items()):
        yield f"{stack} {cycles}"


def stacks(trace: Trace) -> dict[str, int]:
    """Cycles by stack."""
    labels = Labels(trace)
    found: defaultdict[str, int] = defaultdict(int)
    paths: defaultdict[int, list[str]] = defaultdict(list)      # by thread: each open function's whole stack
    now, thread, ring, recording = -1, 0, 0, True
    for event in calls.events(trace.frames(), labels.function):
        if now < 0 or not recording:
            now = event.cycle
        elif event.cycle > now:
            found[_top(paths[thread], labels, thread, ring)] += event.cycle - now
            now = event.cycle
        if isinstance(event, Enter):
            below = paths[event.thread]
            outer = rings(int(event.record["space"]))[0] if event.record is not None else event.ring
            base = below[-1] if below and outer == event.ring else f"{labels.thread(event.thread)};ring {event.ring}"
            below.append(f"{base};{_clean(event.name or labels.crossing(event.record))}")
            ring = event.ring
        elif isinstance(event, Leave):
            paths[event.thread].pop()
            if event.record is not None:
                ring = rings(int(event.record["space"]))[1]
        elif isinstance(event, Passed):
            kind, ring = event.record["kind"], event.ring
            if kind in (Kind.BEGIN, Kind.END):
                recording = kind == Kind.BEGIN
            elif kind == Kind.IDLE:
                cost = int(event.record["cost"])
                found[f"{_top(paths[thread], labels, thread, ring)};idle"] += cost
                now += cost
        if not isinstance(event, Leave):                # another thread's functions end, too, when recording does
            thread = event.thread
    return dict(found)


def _top(paths: list[str], labels: Labels, thread: int, ring: int) -> str:
    return paths[-1] if paths else f"{labels.thread(thread)};ring {ring}"


def _clean(name: str) -> str:
    """A name without what separates stacks; blanks are allowed but before the number."""
    return name.replace(";", ":")
